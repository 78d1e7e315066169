//! `audit_events`: what happened to accounts. No foreign key: events outlive the accounts that they are about.

use sea_orm_migration::{
    prelude::*,
    schema::{big_integer, big_integer_null, string, string_null, uuid, uuid_null},
};

const TABLE: &str = "audit_events";

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
                    .col(big_integer("at"))
                    .col(string("kind"))
                    .col(big_integer_null("user_id"))
                    .col(big_integer_null("actor_id"))
                    .col(uuid_null("session_id"))
                    .col(string_null("client_id"))
                    .col(string_null("request_id"))
                    .col(string_null("ip"))
                    .col(string_null("user_agent"))
                    .col(string_null("client_salt"))
                    .col(string("client_commitment"))
                    .col(string_null("detail"))
                    .col(string_null("salt"))
                    .col(string("commitment"))
                    .col(string("mac"))
                    .col(big_integer_null("checkpoint"))
                    .to_owned(),
            )
            .await?;
        // To list those of a user, of an actor, of a kind and of an address, newest first. To find those of a
        // checkpoint, in the order in which it has them, and those that are in none yet.
        for column in ["user_id", "actor_id", "kind", "ip", "checkpoint"] {
            let index = Index::create()
                .name(format!("audit_events_by_{column}"))
                .table(TABLE)
                .col(column)
                .col("id")
                .to_owned();
            manager.create_index(index).await?;
        }
        // What happened to a user of one kind, among all that happened to that user, and among all of that kind.
        let index = Index::create()
            .name("audit_events_by_user_id_and_kind")
            .table(TABLE)
            .col("user_id")
            .col("kind")
            .col("id")
            .to_owned();
        manager.create_index(index).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager
            .drop_table(Table::drop().table(TABLE).to_owned())
            .await
    }
}
