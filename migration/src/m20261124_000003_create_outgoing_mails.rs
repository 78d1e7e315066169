//! `outgoing_mails`: emails that are to be sent, and those that were sent lately.

use sea_orm_migration::{
    prelude::*,
    schema::{
        big_integer_null, integer, string, string_null, timestamp_with_time_zone,
        timestamp_with_time_zone_null, uuid, uuid_null,
    },
};

const TABLE: &str = "outgoing_mails";

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
                    .col(string("kind"))
                    .col(string("recipient"))
                    .col(string("language"))
                    .col(big_integer_null("user_id"))
                    .col(uuid_null("subject_id"))
                    .col(string_null("ip"))
                    .col(timestamp_with_time_zone("created_at"))
                    .col(timestamp_with_time_zone("due_at"))
                    .col(integer("attempts"))
                    .col(string_null("last_error"))
                    .col(timestamp_with_time_zone_null("finished_at"))
                    .foreign_key(
                        ForeignKey::create()
                            .from(TABLE, "user_id")
                            .to("users", "id")
                            .on_delete(ForeignKeyAction::Cascade),
                    )
                    .to_owned(),
            )
            .await?;
        // To find those that are due, those that were finished long ago, and those of an account that is deleted.
        for (name, columns) in [
            ("outgoing_mails_by_due_at", &["finished_at", "due_at"][..]),
            ("outgoing_mails_by_user", &["user_id"]),
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
