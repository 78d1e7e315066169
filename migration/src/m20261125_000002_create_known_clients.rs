//! `known_clients`: the networks and programs from which the owner of an account signed in lately.

use sea_orm_migration::{
    prelude::*,
    schema::{big_integer, string, timestamp_with_time_zone},
};

const TABLE: &str = "known_clients";

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager
            .create_table(
                Table::create()
                    .table(TABLE)
                    .col(big_integer("user_id"))
                    .col(string("network"))
                    .col(string("user_agent"))
                    .col(timestamp_with_time_zone("last_signed_in_at"))
                    .primary_key(
                        Index::create()
                            .col("user_id")
                            .col("network")
                            .col("user_agent"),
                    )
                    .foreign_key(
                        ForeignKey::create()
                            .from(TABLE, "user_id")
                            .to("users", "id")
                            .on_delete(ForeignKeyAction::Cascade),
                    )
                    .to_owned(),
            )
            .await?;
        // To find those that have expired.
        let index = Index::create()
            .name("known_clients_by_last_signed_in_at")
            .table(TABLE)
            .col("last_signed_in_at")
            .to_owned();
        manager.create_index(index).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager
            .drop_table(Table::drop().table(TABLE).to_owned())
            .await
    }
}
