//! `sessions`: one row for each sign-in that has not ended.

use sea_orm_migration::{
    prelude::*,
    schema::{big_integer, string_null, string_uniq, timestamp_with_time_zone, uuid},
};

const TABLE: &str = "sessions";

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
                    .col(string_uniq("token_digest"))
                    .col(timestamp_with_time_zone("created_at"))
                    .col(timestamp_with_time_zone("authenticated_at"))
                    .col(timestamp_with_time_zone("last_seen_at"))
                    .col(timestamp_with_time_zone("expires_at"))
                    .col(string_null("ip"))
                    .col(string_null("user_agent"))
                    .foreign_key(
                        ForeignKey::create()
                            .from(TABLE, "user_id")
                            .to("users", "id")
                            .on_delete(ForeignKeyAction::Cascade),
                    )
                    .to_owned(),
            )
            .await?;
        // To find those of an account, newest first, and those that have expired, by either limit.
        for (name, columns) in [
            ("sessions_by_user", &["user_id", "created_at"][..]),
            ("sessions_by_expires_at", &["expires_at"]),
            ("sessions_by_last_seen_at", &["last_seen_at"]),
        ] {
            let mut index = Index::create().name(name).table(TABLE).to_owned();
            for column in columns {
                index.col(*column);
            }
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
