//! `outgoing_mails.refusals`: how many times the server refused an email permanently.

use sea_orm_migration::{prelude::*, schema::integer};

const TABLE: &str = "outgoing_mails";
const COLUMN: &str = "refusals";

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let add = Table::alter()
            .table(TABLE)
            // A running older binary adds rows without it.
            .add_column(integer(COLUMN).default(0))
            .to_owned();
        manager.alter_table(add).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let drop = Table::alter().table(TABLE).drop_column(COLUMN).to_owned();
        manager.alter_table(drop).await
    }
}
