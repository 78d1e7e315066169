//! `users.is_provisioned`: whether an administrator opened the account. Such an account is kept although it is never
//! used.

use sea_orm_migration::{prelude::*, schema::boolean};

const TABLE: &str = "users";
const COLUMN: &str = "is_provisioned";

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let add = Table::alter()
            .table(TABLE)
            .add_column(boolean(COLUMN).default(false))
            .to_owned();
        manager.alter_table(add).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let drop = Table::alter().table(TABLE).drop_column(COLUMN).to_owned();
        manager.alter_table(drop).await
    }
}
