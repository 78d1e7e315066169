//! This build against another one, which `BASELINE` names: what changed for those who upgrade.

use std::{env, fs, path::Path};

use crate::{
    ROUNDS, Result,
    hashing::{register, signing_in},
    median,
    service::{Connection, Service},
    sessions::{Databases, run},
};

/// The program to compare with.
const BASELINE: &str = "BASELINE";

/// How long each measurement of checks takes, in seconds.
const SECONDS: u32 = 3;

/// How many clients sign in at the same time.
const CLIENTS: usize = 20;

/// Checks and sign-ins of both programs, in turn, each on a database of its own.
pub fn versus() -> Result<()> {
    let Ok(baseline) = env::var(BASELINE) else {
        println!("versus: set {BASELINE} to another build of bienvenue");
        return Ok(());
    };
    let databases = Databases::start()?;
    let [ours, theirs] = [databases.urls("ours")?, databases.urls("theirs")?];
    for ((kind, ours), (_, theirs)) in ours.into_iter().zip(theirs) {
        let folder = databases.folder.path();
        // As operators have it, but for the limits that this load would meet.
        let settings = |url| {
            [
                ("DATABASE_URL", url),
                ("BIENVENUE_BCRYPT_COST", "6"),
                ("BIENVENUE_THROTTLE", "on"),
                ("BIENVENUE_ADDRESS_REGISTRATIONS", "1000000"),
            ]
        };
        let services = [
            Service::start(folder, &settings(&*ours))?,
            Service::start_program(Path::new(&baseline), folder, &settings(&*theirs))?,
        ];
        let mut tokens = Vec::new();
        for (service, name) in services.iter().zip(["ours", "theirs"]) {
            register(service)?;
            tokens.push(sign_in_all(service, &folder.join(name))?);
        }
        let (mut checks, mut sign_ins) = (Vec::new(), Vec::new());
        for _ in 0..ROUNDS {
            let rates: Vec<f64> = services
                .iter()
                .zip(&tokens)
                .map(|(service, tokens)| run(service, SECONDS, tokens))
                .collect::<Result<_>>()?;
            checks.push(rates[0] / rates[1]);
        }
        // Afterwards: so many sign-ins end the sessions of the checks.
        for _ in 0..ROUNDS {
            let rates: Vec<f64> = services
                .iter()
                .map(|service| Ok(signing_in(service, CLIENTS)?.0))
                .collect::<Result<_>>()?;
            sign_ins.push(rates[0] / rates[1]);
        }
        println!(
            "on {kind}, times what the baseline does: checks {:.2}, sign-ins at cost 6 {:.2}",
            median(&mut checks),
            median(&mut sign_ins)
        );
    }
    Ok(())
}

/// Signs everybody in, and writes the tokens to a file.
fn sign_in_all(service: &Service, file: &Path) -> Result<std::path::PathBuf> {
    let mut connection = Connection::open(service)?;
    let mut tokens = Vec::new();
    for client in 0..100 {
        let credentials = crate::hashing::credentials(client);
        let body = credentials.replace('}', r#", "delivery": "token"}"#);
        let head = "POST /sessions HTTP/1.1\r\nContent-Type: application/json";
        let answer = connection.send(head, &body)?;
        let answer = String::from_utf8(answer.body)?;
        let (_, rest) = answer.split_once(r#""token":""#).ok_or("a token")?;
        tokens.push(rest.split('"').next().unwrap_or_default().to_owned());
    }
    let path = file.with_extension("tokens");
    fs::write(&path, tokens.join("\n"))?;
    Ok(path)
}
