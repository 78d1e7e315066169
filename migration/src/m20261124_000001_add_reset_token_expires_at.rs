//! `users.reset_token_expires_at`: when the pending reset token expires.

use sea_orm_migration::{prelude::*, schema::timestamp_with_time_zone_null};

const TABLE: &str = "users";
const COLUMN: &str = "reset_token_expires_at";
const INDEX: &str = "users_by_reset_token";
const INDEX_BY_TIME: &str = "users_by_reset_token_expires_at";

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let add = Table::alter()
            .table(TABLE)
            .add_column(timestamp_with_time_zone_null(COLUMN))
            .to_owned();
        manager.alter_table(add).await?;
        let index = Index::create()
            .name(INDEX)
            .table(TABLE)
            .col("reset_token")
            .unique()
            .to_owned();
        manager.create_index(index).await?;
        let index = Index::create()
            .name(INDEX_BY_TIME)
            .table(TABLE)
            .col(COLUMN)
            .to_owned();
        manager.create_index(index).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        for index in [INDEX, INDEX_BY_TIME] {
            let index = Index::drop().name(index).table(TABLE).to_owned();
            manager.drop_index(index).await?;
        }
        let drop = Table::alter().table(TABLE).drop_column(COLUMN).to_owned();
        manager.alter_table(drop).await
    }
}
