//! `audit_checkpoints`: the signed chain over the events.

use sea_orm_migration::{
    prelude::*,
    schema::{big_integer, string, uuid_null},
};

const TABLE: &str = "audit_checkpoints";

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager
            .create_table(
                Table::create()
                    .table(TABLE)
                    .col(big_integer("number").primary_key())
                    .col(big_integer("sealed_at"))
                    .col(uuid_null("first_event"))
                    .col(uuid_null("last_event"))
                    .col(big_integer("events"))
                    .col(string("root"))
                    .col(string("previous"))
                    .col(big_integer("oldest"))
                    .col(string("key"))
                    .col(string("signature"))
                    .to_owned(),
            )
            .await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager
            .drop_table(Table::drop().table(TABLE).to_owned())
            .await
    }
}
