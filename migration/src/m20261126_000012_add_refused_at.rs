//! `throttles.refused_at`: when a rate limit first refused a request. Of a flood of refusals, the first is an event.

use sea_orm_migration::{prelude::*, schema::timestamp_with_time_zone_null};

const TABLE: &str = "throttles";
const COLUMN: &str = "refused_at";

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let column = timestamp_with_time_zone_null(COLUMN);
        manager
            .alter_table(Table::alter().table(TABLE).add_column(column).to_owned())
            .await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager
            .alter_table(Table::alter().table(TABLE).drop_column(COLUMN).to_owned())
            .await
    }
}
