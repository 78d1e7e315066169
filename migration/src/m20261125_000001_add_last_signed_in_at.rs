//! `users.last_signed_in_at`: when the owner last signed in. Null before the first time.

use sea_orm_migration::{prelude::*, schema::timestamp_with_time_zone_null};

const TABLE: &str = "users";
const COLUMN: &str = "last_signed_in_at";

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let add = Table::alter()
            .table(TABLE)
            .add_column(timestamp_with_time_zone_null(COLUMN))
            .to_owned();
        manager.alter_table(add).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let drop = Table::alter().table(TABLE).drop_column(COLUMN).to_owned();
        manager.alter_table(drop).await
    }
}
