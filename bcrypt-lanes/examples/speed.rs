//! Prints how many hashes a second one core does: the `bcrypt` crate, and every width up to six.
//!
//! `taskset -c 1 cargo run --release --example speed [cost] [runs]`

use std::{
    env,
    hint::black_box,
    time::{Duration, Instant},
};

use bcrypt_lanes::{Lanes, StartError};

const RUN: Duration = Duration::from_millis(1500);
const WIDTHS: [usize; 6] = [1, 2, 3, 4, 5, 6];
const PASSWORD: &[u8] = b"correct horse battery";

fn main() -> Result<(), StartError> {
    let mut args = env::args().skip(1).map_while(|arg| arg.parse::<u32>().ok());
    let cost = args.next().unwrap_or(10);
    let runs = args.next().unwrap_or(3);

    let mut reference = Vec::new();
    let mut lanes = WIDTHS.map(|width| (width, Vec::new()));
    // In turn, so that a neighbour on the machine slows all of them down alike.
    for _ in 0..runs {
        reference.push(bcrypt_crate(cost));
        for (width, speeds) in &mut lanes {
            speeds.push(width_of(*width, cost)?);
        }
    }

    let reference = median(reference);
    println!("cost {cost}, medians of {runs} runs    hashes/s   × bcrypt   ms a hash");
    println!(
        "bcrypt crate                 {reference:>10.1} {:>10.2} {:>11.2}",
        1.0,
        1e3 / reference
    );
    for (width, speeds) in lanes {
        let speed = median(speeds);
        let latency = 1e3 / speed * f64::from(u32::try_from(width).unwrap_or(u32::MAX));
        println!(
            "{width} lanes                      {speed:>10.1} {:>10.2} {latency:>11.2}",
            speed / reference
        );
    }
    Ok(())
}

/// Hashes a second of the `bcrypt` crate.
fn bcrypt_crate(cost: u32) -> f64 {
    let password = [PASSWORD, &[0]].concat();
    let begin = Instant::now();
    let mut done = 0;
    while begin.elapsed() < RUN {
        black_box(bcrypt::bcrypt(cost, [7; 16], black_box(&password)));
        done += 1;
    }
    f64::from(done) / begin.elapsed().as_secs_f64()
}

/// Hashes a second of that many lanes, all of them kept busy.
fn width_of(width: usize, cost: u32) -> Result<f64, StartError> {
    let mut lanes = Lanes::new(width);
    let begin = Instant::now();
    let mut done = 0;
    while lanes.busy() > 0 || begin.elapsed() < RUN {
        while lanes.has_free() && begin.elapsed() < RUN {
            lanes.start(cost, [7; 16], black_box(PASSWORD))?;
        }
        lanes.advance();
        while let Some(hash) = lanes.take_done() {
            black_box(hash);
            done += 1;
        }
    }
    Ok(f64::from(done) / begin.elapsed().as_secs_f64())
}

fn median(mut speeds: Vec<f64>) -> f64 {
    speeds.sort_by(f64::total_cmp);
    speeds.get(speeds.len() / 2).copied().unwrap_or(f64::NAN)
}
