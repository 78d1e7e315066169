//! `one_time_tokens`: tokens that can be used once, in an email or held by a program for some minutes.

use sea_orm_migration::{
    prelude::*,
    schema::{
        big_integer_null, integer, string, string_null, timestamp_with_time_zone,
        timestamp_with_time_zone_null, uuid,
    },
};

const TABLE: &str = "one_time_tokens";

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
                    .col(string("purpose"))
                    .col(string_null("token_digest").unique_key())
                    .col(big_integer_null("user_id"))
                    .col(string("data"))
                    .col(integer("tries"))
                    .col(timestamp_with_time_zone("created_at"))
                    .col(timestamp_with_time_zone_null("expires_at"))
                    .foreign_key(
                        ForeignKey::create()
                            .name("one_time_tokens_user_id")
                            .from(TABLE, "user_id")
                            .to("users", "id")
                            .on_delete(ForeignKeyAction::Cascade),
                    )
                    .to_owned(),
            )
            .await?;
        // To find those of an account, and those that have expired.
        for column in ["user_id", "expires_at"] {
            let index = Index::create()
                .name(format!("one_time_tokens_by_{column}"))
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
