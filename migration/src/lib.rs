//! The migrations of the schema, one change in each file, oldest first.
//!
//! A migration is never changed once it is released. It only adds, so that a running older binary keeps working while a
//! newer one migrates. It spells out its own names and types and uses no entity, because entities change later and
//! migrations must not.

pub use sea_orm_migration::MigratorTrait;
use sea_orm_migration::prelude::*;

mod m20261122_000001_create_users;
mod m20261122_000002_add_email_verified_at;
mod m20261122_000003_create_sessions;
mod m20261124_000001_add_reset_token_expires_at;
mod m20261124_000002_create_email_verifications;
mod m20261124_000003_create_outgoing_mails;
mod m20261125_000001_add_last_signed_in_at;
mod m20261125_000002_create_known_clients;
mod m20261125_000003_create_registrations;
mod m20261125_000004_create_throttles;
mod m20261125_000005_create_sealing_keys;
mod m20261125_000006_create_one_time_tokens;
mod m20261125_000007_index_unverified_users;
mod m20261126_000001_add_refusals;
mod m20261126_000002_add_last_used_at;
mod m20261126_000003_add_methods;
mod m20261126_000004_add_name;
mod m20261126_000005_add_client;
mod m20261126_000006_add_role;
mod m20261126_000007_add_disabled_at;
mod m20261126_000008_add_is_provisioned;
mod m20261126_000009_create_user_groups;
mod m20261126_000010_create_audit_events;
mod m20261126_000011_create_audit_checkpoints;
mod m20261126_000012_add_refused_at;
mod m20261126_000013_index_users;

/// The table of applied migrations. The default name of SeaORM is not used, because other programs in the same schema
/// may use it.
pub const TABLE: &str = "bienvenue_migrations";

/// All migrations, in order.
#[derive(Debug)]
pub struct Migrator;

impl MigratorTrait for Migrator {
    fn migration_table_name() -> DynIden {
        TABLE.into_iden()
    }

    fn migrations() -> Vec<Box<dyn MigrationTrait>> {
        vec![
            Box::new(m20261122_000001_create_users::Migration),
            Box::new(m20261122_000002_add_email_verified_at::Migration),
            Box::new(m20261122_000003_create_sessions::Migration),
            Box::new(m20261124_000001_add_reset_token_expires_at::Migration),
            Box::new(m20261124_000002_create_email_verifications::Migration),
            Box::new(m20261124_000003_create_outgoing_mails::Migration),
            Box::new(m20261125_000001_add_last_signed_in_at::Migration),
            Box::new(m20261125_000002_create_known_clients::Migration),
            Box::new(m20261125_000003_create_registrations::Migration),
            Box::new(m20261125_000004_create_throttles::Migration),
            Box::new(m20261125_000005_create_sealing_keys::Migration),
            Box::new(m20261125_000006_create_one_time_tokens::Migration),
            Box::new(m20261125_000007_index_unverified_users::Migration),
            Box::new(m20261126_000001_add_refusals::Migration),
            Box::new(m20261126_000002_add_last_used_at::Migration),
            Box::new(m20261126_000003_add_methods::Migration),
            Box::new(m20261126_000004_add_name::Migration),
            Box::new(m20261126_000005_add_client::Migration),
            Box::new(m20261126_000006_add_role::Migration),
            Box::new(m20261126_000007_add_disabled_at::Migration),
            Box::new(m20261126_000008_add_is_provisioned::Migration),
            Box::new(m20261126_000009_create_user_groups::Migration),
            Box::new(m20261126_000010_create_audit_events::Migration),
            Box::new(m20261126_000011_create_audit_checkpoints::Migration),
            Box::new(m20261126_000012_add_refused_at::Migration),
            Box::new(m20261126_000013_index_users::Migration),
        ]
    }
}
