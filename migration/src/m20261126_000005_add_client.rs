//! `outgoing_mails.client`: the browser that an email tells of, null where it tells of none or of another program.

use sea_orm_migration::{prelude::*, schema::string_null};

const TABLE: &str = "outgoing_mails";
const COLUMN: &str = "client";

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let add = Table::alter()
            .table(TABLE)
            .add_column(string_null(COLUMN))
            .to_owned();
        manager.alter_table(add).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let drop = Table::alter().table(TABLE).drop_column(COLUMN).to_owned();
        manager.alter_table(drop).await
    }
}
