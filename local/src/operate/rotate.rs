//! Rotates the keys of a ring.
use std::io::Write;
use std::time::Duration;

use anyhow::bail;
use shared::model::keys::{LIVE_KEYS_MAX, Ring, RingName, Turn};
use shared::model::token::SigningAlgorithm;
use shared::platform::timestamp::Timestamp;
use shared::store::key_maker::{KeyMaker, Rotated, Rotation};

use super::work::Work;

/// What is asked for beyond the usual.
#[derive(Debug)]
pub(super) struct Wish {
    /// When the other keys retire.
    pub retire_after: Option<Duration>,
    /// What the new key signs with.
    pub algorithm: Option<SigningAlgorithm>,
}

/// Adds a key to the ring, and tells what happens when.
pub(super) async fn run(work: Work<'_>, name: RingName, wish: &Wish) -> anyhow::Result<()> {
    let Work {
        backends,
        dry_run,
        out,
    } = work;
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
        name,
        turn,
        algorithm: wish.algorithm,
    };
    let ring = if dry_run {
        keys.plan(rotation, now).await?
    } else {
        rotate(&keys, rotation, now).await?
    };
    let added = if dry_run {
        "would be added"
    } else {
        "is added"
    };
    let (kid, ring_name) = (newest(&ring), name.name());
    writeln!(out, "Key {kid} {added} to the ring `{ring_name}`.\n")?;
    write_times(name, &ring, now, out)?;
    warn_of_early_ends(name, turn, out)?;
    Ok(())
}

/// Adds the key.
async fn rotate(keys: &KeyMaker, rotation: Rotation, now: Timestamp) -> anyhow::Result<Ring> {
    let name = rotation.name;
    match keys.rotate(rotation, now).await? {
        Rotated::Done(ring) => Ok(ring),
        Rotated::LostRace => bail!(
            "somebody else rotated the ring `{}` just now. Rotate again if you want one more key",
            name.name()
        ),
        Rotated::Full => bail!(
            "{LIVE_KEYS_MAX} keys of the ring `{}` count already: wait until one has retired",
            name.name()
        ),
    }
}

/// Warns of codes and tokens that end before their time.
fn warn_of_early_ends(name: RingName, turn: Turn, out: &mut dyn Write) -> std::io::Result<()> {
    let usual = name.turn();
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

/// The id of the key that was added.
fn newest(ring: &Ring) -> &str {
    ring.keys.last().map_or("", |key| key.kid.as_str())
}

/// Writes when the new key is used, and when what the others made ends.
fn write_times(
    name: RingName,
    ring: &Ring,
    now: Timestamp,
    out: &mut dyn Write,
) -> std::io::Result<()> {
    let Some((next, earlier)) = ring.keys.split_last() else {
        return Ok(());
    };
    let made = made_by(name);
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
        RingName::Webhooks => "addresses of webhooks",
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
