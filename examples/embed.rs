//! bienvenue without HTTP: accounts and sessions inside a program of your own.
//!
//! `cargo run --example embed`

use std::error::Error;

use bienvenue::{
    auth::{Auth, Client, Language, Policy, SessionError, SignInError, Token, TokenKind},
    db::DB,
};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    // Gone when the program ends. `sqlite://accounts.db?mode=rwc` and `postgres://…` stay.
    let db = DB::connect("sqlite::memory:").await?;
    let auth = Auth::new(db, Policy::default());

    let ada = auth
        .register_user("Ada@Example.com", "correct horse battery")
        .await?;
    println!("registered {}", ada.email);

    let guess = auth
        .sign_in("ada@example.com", "incorrect", &Client::default())
        .await;
    assert!(matches!(guess, Err(SignInError::InvalidCredentials)));
    println!("refused a wrong password");

    let client = Client {
        ip: None,
        user_agent: Some("embed/1.0".to_owned()),
        language: Language::English,
        request_id: None,
    };
    let signed_in = auth
        .sign_in("ada@example.com", "correct horse battery", &client)
        .await?;
    println!("signed in by session {}", signed_in.current.session.id);

    // What comes from outside is a text, and a token only if it has the form of one.
    let token = Token::parse(TokenKind::Session, signed_in.token.as_str()).ok_or("no token")?;
    let current = auth.check_session(&token, client.clone()).await?;
    println!("checked: this is {}", current.account().email);

    auth.sign_out(&current).await?;
    let over = auth.check_session(&token, client.clone()).await;
    assert!(matches!(over, Err(SessionError::NotSignedIn)));
    println!("signed out");
    Ok(())
}
