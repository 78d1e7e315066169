//! `users.role`: what the user may do, `user` or `admin`. The index finds the administrators.

use sea_orm_migration::{prelude::*, schema::string};

const TABLE: &str = "users";
const COLUMN: &str = "role";
const INDEX: &str = "users_by_role";

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let add = Table::alter()
            .table(TABLE)
            .add_column(string(COLUMN).default("user"))
            .to_owned();
        manager.alter_table(add).await?;
        let index = Index::create()
            .name(INDEX)
            .table(TABLE)
            .col(COLUMN)
            .col("id")
            .to_owned();
        manager.create_index(index).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let index = Index::drop().name(INDEX).table(TABLE).to_owned();
        manager.drop_index(index).await?;
        let drop = Table::alter().table(TABLE).drop_column(COLUMN).to_owned();
        manager.alter_table(drop).await
    }
}
