//! Groups.

use poem_openapi::{ApiResponse, Object, OpenApi, payload::Json};

use crate::{
    api::{problem::Refused, security::Admin, tag::Tag},
    auth::{Auth, DbError},
};

pub(in crate::api) struct GroupsApi {
    auth: Auth,
}

/// A group. It exists while somebody is in it.
#[derive(Object)]
struct Group {
    /// The name of the group.
    name: String,
    /// The number of its users.
    users: u64,
}

/// All groups.
#[derive(Object)]
struct Groups {
    /// The groups, sorted by name.
    groups: Vec<Group>,
}

#[derive(ApiResponse)]
enum Listed {
    /// The groups that somebody is in.
    #[oai(status = 200)]
    Ok(Json<Groups>),
}

impl GroupsApi {
    pub(in crate::api) fn new(auth: Auth) -> Self {
        Self { auth }
    }
}

#[OpenApi]
impl GroupsApi {
    /// List groups
    ///
    /// Returns the groups that somebody is in, each with the number of its users.
    #[oai(
        path = "/admin/groups",
        method = "get",
        operation_id = "list_groups",
        tag = "Tag::Administration"
    )]
    async fn list_groups(&self, _by: Admin) -> Result<Listed, Refused<DbError>> {
        let groups = self.auth.groups().await?.into_iter();
        let groups = groups.map(|(name, users)| Group { name, users });
        Ok(Listed::Ok(Json(Groups {
            groups: groups.collect(),
        })))
    }
}
