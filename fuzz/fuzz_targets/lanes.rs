//! For any order of starting, giving up and taking hashes: the lanes return the same as the bcrypt crate.

#![no_main]

use std::collections::HashMap;

use bcrypt_lanes::Lanes;
use libfuzzer_sys::{arbitrary, arbitrary::Arbitrary, fuzz_target};

#[derive(Arbitrary, Debug)]
enum Deed {
    Start {
        cost: u8,
        salt: [u8; 16],
        password: Vec<u8>,
    },
    Advance,
    Take,
    GiveUp(u8),
}

fuzz_target!(|script: (u8, Vec<Deed>)| {
    let (width, deeds) = script;
    let mut lanes = Lanes::new(usize::from(width % 10));
    let mut running = HashMap::new();
    for deed in deeds.into_iter().take(60) {
        match deed {
            Deed::Start {
                cost,
                salt,
                password,
            } => {
                // 4 to 6 are quick. Costs below 4 must be refused.
                let cost = u32::from(cost % 7);
                let started = lanes.start(cost, salt, &password);
                assert_eq!(started.is_ok(), cost >= 4 && running.len() < lanes.width());
                if let Ok(id) = started {
                    running.insert(id, (cost, salt, password));
                }
            }
            Deed::Advance => {
                lanes.advance();
            }
            Deed::Take => take(&mut lanes, &mut running),
            Deed::GiveUp(which) => {
                let id = running.keys().nth(usize::from(which)).copied();
                if let Some(id) = id {
                    assert!(lanes.give_up(id));
                    running.remove(&id);
                }
            }
        }
    }
    while lanes.busy() > 0 {
        lanes.advance();
        take(&mut lanes, &mut running);
    }
    assert!(running.is_empty());
});

type Running = HashMap<bcrypt_lanes::LaneId, (u32, [u8; 16], Vec<u8>)>;

fn take(lanes: &mut Lanes, running: &mut Running) {
    let Some((id, hash)) = lanes.take_done() else {
        return;
    };
    let (cost, salt, mut password) = running.remove(&id).expect("it was started");
    password.push(0);
    password.truncate(72);
    assert_eq!(hash, bcrypt::bcrypt(cost, salt, &password)[..23]);
}
