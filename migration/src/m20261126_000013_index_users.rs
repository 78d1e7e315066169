//! Indexes of `users` for the search by administrators. Each gives its users in the order of their ids.

use sea_orm_migration::{prelude::*, sea_orm::DbBackend, sea_query::IndexCreateStatement};

const TABLE: &str = "users";
const NAMES: [&str; 3] = ["users_disabled", "users_unverified", "users_verified"];
const BY_PREFIX: &str = "users_by_email_prefix";

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

fn by_id(name: &str) -> IndexCreateStatement {
    Index::create().name(name).table(TABLE).col("id").to_owned()
}

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let [disabled, unverified, verified] = NAMES.map(by_id);
        let is_verified = Expr::col("email_verified_at");
        for index in [
            disabled
                .clone()
                .and_where(Expr::col("disabled_at").is_not_null()),
            unverified.clone().and_where(is_verified.clone().is_null()),
            verified.clone().and_where(is_verified.is_not_null()),
        ] {
            manager.create_index(index.to_owned()).await?;
        }
        // The unique index of PostgreSQL sorts by the rules of a language, and so it can't find prefixes. That of
        // SQLite can.
        if manager.get_database_backend() == DbBackend::Postgres {
            let email = "email".into_index_column();
            let index = Index::create()
                .name(BY_PREFIX)
                .table(TABLE)
                .col(email.with_operator_class("text_pattern_ops"))
                .to_owned();
            manager.create_index(index).await?;
        }
        Ok(())
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let is_postgres = manager.get_database_backend() == DbBackend::Postgres;
        for name in NAMES.into_iter().chain(is_postgres.then_some(BY_PREFIX)) {
            let index = Index::drop().name(name).table(TABLE).to_owned();
            manager.drop_index(index).await?;
        }
        Ok(())
    }
}
