//! `user_groups`: the groups that users are in.

use sea_orm_migration::{
    prelude::*,
    schema::{big_integer, string},
};

const TABLE: &str = "user_groups";

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
                    .col(string("name"))
                    .primary_key(Index::create().col("user_id").col("name"))
                    .foreign_key(
                        ForeignKey::create()
                            .from(TABLE, "user_id")
                            .to("users", "id")
                            .on_delete(ForeignKeyAction::Cascade),
                    )
                    .to_owned(),
            )
            .await?;
        // To find the members of a group, in the order of their ids.
        let index = Index::create()
            .name("user_groups_by_name")
            .table(TABLE)
            .col("name")
            .col("user_id")
            .to_owned();
        manager.create_index(index).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager
            .drop_table(Table::drop().table(TABLE).to_owned())
            .await
    }
}
