//! Rotates the keys of a ring.
use std::io::Write;
use std::time::Duration;

use anyhow::bail;
use shared::model::keys::{LIVE_KEYS_MAX, Ring, RingName, Turn};
use shared::model::token::SigningAlgorithm;
use shared::platform::timestamp::Timestamp;
use shared::runtime::Backends;
use shared::store::key_maker::{KeyMaker, Rotated, Rotation};

/// What is asked for beyond the usual.
#[derive(Debug)]
pub(super) struct Wish {
    /// When the other keys retire.
    pub retire_after: Option<Duration>,
    /// What the new key signs with.
    pub algorithm: Option<SigningAlgorithm>,
}

/// Adds a key to the ring, and tells what happens when.
pub(super) async fn run(
    backends: &Backends,
    name: RingName,
    wish: &Wish,
    dry_run: bool,
    out: &mut dyn Write,
) -> anyhow::Result<()> {
    let usual = name.turn();
    let turn = match wish.retire_after {
        None => usual,
        // Whoever has the stolen key makes what counts for as long as it counts: nobody waits until all know the new one.
        Some(Duration::ZERO) => Turn::AT_ONCE,
        Some(keep) => Turn { keep, ..usual },
    };
    if wish.algorithm.is_some() && name != RingName::Signing {
        bail!("only the keys of the ring `signing` have an algorithm");
    }
    let now = backends.clock.now();
    let keys = KeyMaker::new(backends);
    let rotation = Rotation {
        turn,
        algorithm: wish.algorithm,
    };
    let ring = match dry_run {
        true => keys.plan(name, rotation, now).await?,
        false => match keys.rotate(name, rotation, now).await? {
            Rotated::Done(ring) => ring,
            Rotated::LostRace => bail!(
                "somebody else rotated the ring `{}` just now. Rotate again if you want one more key",
                name.name()
            ),
            Rotated::Full => bail!(
                "{LIVE_KEYS_MAX} keys of the ring `{}` count already: wait until one has retired",
                name.name()
            ),
        },
    };
    tell(name, &ring, now, dry_run, out)?;
    if turn.keep < usual.keep {
        let (made, least) = (made_by(name), usual.keep.as_secs() / 60);
        writeln!(
            out,
            "\nThat is early: {made} made before may end before their time. The usual is {least} minutes."
        )?;
    }
    if turn == Turn::AT_ONCE {
        writeln!(
            out,
            "For a minute some functions still make {} with the old key, and these do not count either.",
            made_by(name)
        )?;
    }
    Ok(())
}

fn tell(
    name: RingName,
    ring: &Ring,
    now: Timestamp,
    dry_run: bool,
    out: &mut dyn Write,
) -> std::io::Result<()> {
    let Some((next, earlier)) = ring.keys.split_last() else {
        return Ok(());
    };
    let (made, ring) = (made_by(name), name.name());
    let added = if dry_run {
        "would be added"
    } else {
        "is added"
    };
    writeln!(out, "Key {} {added} to the ring `{ring}`.\n", next.kid)?;
    writeln!(
        out,
        "  {}  {made} are made with it",
        next.use_from.rfc3339()
    )?;
    let mut retiring: Vec<_> = earlier
        .iter()
        .filter_map(|key| Some((key.retire_at.filter(|at| now < *at)?, &key.kid)))
        .collect();
    retiring.sort_unstable();
    for (at, kid) in retiring {
        writeln!(out, "  {}  what {kid} made counts no more", at.rfc3339())?;
    }
    Ok(())
}

const fn made_by(name: RingName) -> &'static str {
    match name {
        RingName::Codes => "codes",
        RingName::Signing => "access tokens",
        RingName::Refresh => "refresh tokens",
    }
}

/// Reads `90s`, `45m`, `2h` or `30d`.
pub(super) fn duration(text: &str) -> Result<Duration, String> {
    let units = [("s", 1), ("m", 60), ("h", 60 * 60), ("d", 24 * 60 * 60)];
    let read = units.iter().find_map(|(unit, seconds)| {
        let number: u32 = text.strip_suffix(unit)?.parse().ok()?;
        Some(Duration::from_secs(u64::from(number) * seconds))
    });
    read.ok_or_else(|| "give a whole number with its unit: 90s, 45m, 2h or 30d".into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_have_a_unit() {
        for (text, seconds) in [
            ("0s", Some(0)),
            ("90s", Some(90)),
            ("45m", Some(2_700)),
            ("2h", Some(7_200)),
            ("30d", Some(2_592_000)),
            ("30", None),
            ("-1s", None),
            ("1.5h", None),
            ("m", None),
            ("1y", None),
        ] {
            let read = duration(text).ok().map(|read| read.as_secs());
            assert_eq!(read, seconds, "{text}");
        }
    }
}
