//! The JSON face: its policy and all of its operations.

use std::collections::HashMap;

use poem::{Endpoint as _, EndpointExt as _, endpoint::BoxEndpoint, http::Method};
use poem_openapi::{
    OpenApi, OpenApiService,
    registry::{MetaApi, Registry},
};

use super::{
    admin::{AdminUsersApi, AuditEventsApi, GroupsApi},
    audit::AuditApi,
    docs::{self, Document},
    email_verification::EmailVerificationApi,
    export::ExportApi,
    parameters::WithParameters,
    password_reset::PasswordResetApi,
    problem,
    service::ServiceApi,
    sessions::SessionsApi,
    users::UsersApi,
};
use crate::{
    auth::Auth,
    http::{Context, Face, Failure, Routes},
};

/// The JSON API for programs.
pub(crate) const FACE: Face = Face {
    refuse: problem::refuse,
    content_security_policy: "default-src 'none'; frame-ancestors 'none'",
    is_shared: true,
    longest_body: 64 * 1024,
};

/// All operations.
type Operations = (
    ServiceApi,
    UsersApi,
    ExportApi,
    AuditApi,
    SessionsApi,
    PasswordResetApi,
    EmailVerificationApi,
    AdminUsersApi,
    GroupsApi,
    AuditEventsApi,
);

/// Refuses operations that change something when a page of another site sends them. It is applied after the router, so
/// that a method that does not exist is reported as such.
struct SameSite<T>(T);

impl<T: OpenApi> OpenApi for SameSite<T> {
    fn meta() -> Vec<MetaApi> {
        T::meta()
    }

    fn register(registry: &mut Registry) {
        T::register(registry);
    }

    fn add_routes(self, routes: &mut HashMap<String, HashMap<Method, BoxEndpoint<'static>>>) {
        let mut own = HashMap::new();
        self.0.add_routes(&mut own);
        for (path, methods) in own {
            let methods = methods.into_iter().map(|(method, endpoint)| {
                let guarded = endpoint.around(async |endpoint, request| {
                    if Context::of(&request).origins.is_cross_site(&request) {
                        return Err(Failure::CrossSite.into());
                    }
                    endpoint.call(request).await
                });
                (method, guarded.map_to_response().boxed())
            });
            let methods: Vec<_> = methods.collect();
            routes.entry(path).or_default().extend(methods);
        }
    }
}

/// Returns the paths of the face.
pub(crate) fn routes(auth: &Auth) -> Routes {
    let operations: Operations = (
        ServiceApi::new(auth.clone()),
        UsersApi::new(auth.clone()),
        ExportApi::new(auth.clone()),
        AuditApi::new(auth.clone()),
        SessionsApi::new(auth.clone()),
        PasswordResetApi::new(auth.clone()),
        EmailVerificationApi::new(auth.clone()),
        AdminUsersApi::new(auth.clone()),
        GroupsApi::new(auth.clone()),
        AuditEventsApi::new(auth.clone()),
    );
    let document = Document::of::<Operations>();
    let operations =
        OpenApiService::new(SameSite(WithParameters(operations)), "", "").map_to_response();
    docs::add_to(Routes::new(), &document).operations(operations, document.paths())
}

/// Returns the OpenAPI document as JSON. It depends only on this version of the program.
#[must_use]
pub fn openapi_document() -> String {
    Document::of::<Operations>().to_json()
}
