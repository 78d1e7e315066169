//! `registrations`: accounts that are opened once the link in an email is used.

use sea_orm_migration::{
    prelude::*,
    schema::{string, string_null, timestamp_with_time_zone, timestamp_with_time_zone_null, uuid},
};

const TABLE: &str = "registrations";

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager
            .create_table(
                Table::create()
                    .table(TABLE)
                    .col(uuid("id").primary_key())
                    .col(string("email"))
                    .col(string("hashed_password"))
                    .col(string_null("token_digest").unique_key())
                    .col(timestamp_with_time_zone_null("token_expires_at"))
                    .col(timestamp_with_time_zone("created_at"))
                    .to_owned(),
            )
            .await?;
        // To find those that have expired.
        let index = Index::create()
            .name("registrations_by_token_expires_at")
            .table(TABLE)
            .col("token_expires_at")
            .to_owned();
        manager.create_index(index).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager
            .drop_table(Table::drop().table(TABLE).to_owned())
            .await
    }
}
