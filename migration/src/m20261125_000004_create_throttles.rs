//! `throttles`: the counts of the rate limits.

use sea_orm_migration::{
    prelude::*,
    schema::{
        integer, string, string_null, timestamp_with_time_zone, timestamp_with_time_zone_null,
    },
};

const TABLE: &str = "throttles";

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager
            .create_table(
                Table::create()
                    .table(TABLE)
                    .col(string("key").primary_key())
                    .col(string_null("account"))
                    .col(integer("tries"))
                    .col(timestamp_with_time_zone("begun_at"))
                    .col(timestamp_with_time_zone_null("blocked_until"))
                    .col(timestamp_with_time_zone("forget_at"))
                    .to_owned(),
            )
            .await?;
        // To find those of an account, and those that have expired.
        for column in ["account", "forget_at"] {
            let index = Index::create()
                .name(format!("throttles_by_{column}"))
                .table(TABLE)
                .col(column)
                .to_owned();
            manager.create_index(index).await?;
        }
        Ok(())
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager
            .drop_table(Table::drop().table(TABLE).to_owned())
            .await
    }
}
