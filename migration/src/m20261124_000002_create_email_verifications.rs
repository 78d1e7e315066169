//! `email_verifications`: addresses that wait for a proof that emails arrive.

use sea_orm_migration::{
    prelude::*,
    schema::{
        big_integer, string, string_null, timestamp_with_time_zone, timestamp_with_time_zone_null,
        uuid,
    },
};

const TABLE: &str = "email_verifications";

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
                    .col(big_integer("user_id"))
                    .col(string("email"))
                    .col(string_null("token_digest").unique_key())
                    .col(timestamp_with_time_zone_null("token_expires_at"))
                    .col(timestamp_with_time_zone("created_at"))
                    .foreign_key(
                        ForeignKey::create()
                            .from(TABLE, "user_id")
                            .to("users", "id")
                            .on_delete(ForeignKeyAction::Cascade),
                    )
                    .to_owned(),
            )
            .await?;
        // To find those of an account, and those that have expired.
        for column in ["user_id", "token_expires_at"] {
            let index = Index::create()
                .name(format!("email_verifications_by_{column}"))
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
