//! A handle on the simulated gateway: its world as it is now, and what goes on in it by itself.
use std::fmt;
use std::future::pending;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use tokio::sync::watch;
use tokio::time::{Instant, sleep, sleep_until, timeout};

use super::hook::Hook;
use super::options::SimulatorOptions;
use super::phones::Phones;
use super::post::{PATIENCE, Taker};
use super::world::World;

/// How long a gateway waits, in seconds, before it posts an event again; twice as long each time after that.
const POST_WAITS: f64 = 30.0;

/// A handle on a simulated gateway; clones are the same gateway.
#[derive(Clone)]
pub struct Simulator(Arc<Shared>);

struct Shared {
    options: SimulatorOptions,
    world: Mutex<World>,
    /// The life of the process; whoever waits for an answer watches it.
    process: watch::Sender<u64>,
    /// The world's revision; whoever waits for a change watches it.
    revision: watch::Sender<u64>,
    /// Who takes what is posted to webhooks; without anybody it counts as taken.
    taker: Mutex<Option<Taker>>,
    /// Whether somebody makes its moves in time, also when nobody looks.
    driven: AtomicBool,
    /// Every gateway that has the same phones, in the order in which they were made.
    family: Family,
}

type Family = Arc<Mutex<Vec<Weak<Shared>>>>;

impl Simulator {
    /// A gateway in its first state.
    pub fn new(options: SimulatorOptions) -> Self {
        Self::among(Family::default(), Phones::default(), options)
    }

    /// Another gateway, with a host, a process and sessions of its own. People's phones are the same, so what its sessions
    /// send is found among the messages of both.
    #[must_use]
    pub fn beside(&self, options: SimulatorOptions) -> Self {
        let (phones, began) = self.now(|world, _| (world.phones.clone(), world.began));
        let other = Self::among(self.0.family.clone(), phones, options);
        other.now(|world, _| world.began = began);
        other
    }

    /// Every gateway that has these phones, the first one first.
    pub fn gateways(&self) -> Vec<Self> {
        let family = self.0.family.lock().unwrap_or_else(PoisonError::into_inner);
        family.iter().filter_map(Weak::upgrade).map(Self).collect()
    }

    fn among(family: Family, phones: Phones, options: SimulatorOptions) -> Self {
        let world = World::new(&options, phones, Instant::now());
        let revision = watch::Sender::new(world.revision());
        let simulator = Self(Arc::new(Shared {
            family: family.clone(),
            options,
            world: Mutex::new(world),
            process: watch::Sender::new(0),
            revision,
            taker: Mutex::default(),
            driven: AtomicBool::new(false),
        }));
        let mut family = family.lock().unwrap_or_else(PoisonError::into_inner);
        family.push(Arc::downgrade(&simulator.0));
        simulator
    }

    /// How it began.
    pub fn options(&self) -> &SimulatorOptions {
        &self.0.options
    }

    pub(super) fn process(&self) -> watch::Receiver<u64> {
        self.0.process.subscribe()
    }

    /// Looks at the world as it is now, with every due move made, and perhaps changes it.
    pub(super) fn now<T>(&self, act: impl FnOnce(&mut World, Instant) -> T) -> T {
        let now = Instant::now();
        let mut world = self.0.world.lock().unwrap_or_else(PoisonError::into_inner);
        world.settle(now);
        let answer = act(&mut world, now);
        let hooks = world.take_hooks(now);
        let tells = world.has_webhooks();
        publish(&self.0.process, world.process);
        publish(&self.0.revision, world.revision());
        drop(world);
        if tells {
            self.go_on();
        }
        for hook in hooks {
            tokio::spawn(self.clone().deliver(hook));
        }
        answer
    }

    /// Waits until the world is as it has to be.
    pub(super) async fn wait_for<T>(&self, found: impl Fn(&World) -> Option<T>) -> T {
        let mut revision = self.0.revision.subscribe();
        loop {
            let (found, next) = self.now(|world, _| (found(world), world.next_move()));
            if let Some(found) = found {
                return found;
            }
            tokio::select! {
                _ = revision.changed() => {}
                () = until(next) => {}
            }
        }
    }
}

impl Simulator {
    /// Who takes what is posted to webhooks from now on.
    pub(super) fn posts_to(&self, taker: Taker) {
        *self.taker() = Some(taker);
    }

    /// The same, unless there is somebody.
    pub(super) fn posts_at_least_to(&self, taker: Taker) {
        self.taker().get_or_insert(taker);
    }

    fn taker(&self) -> MutexGuard<'_, Option<Taker>> {
        self.0.taker.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// From now on moves are made when they are due, so that webhooks hear of them.
    fn go_on(&self) {
        if !self.0.driven.swap(true, Ordering::Relaxed) {
            tokio::spawn(drive(Arc::downgrade(&self.0)));
        }
    }

    /// Posts an event until it is taken, or until the version has tried often enough.
    async fn deliver(self, mut hook: Hook) {
        let (tries, pace) = self.now(|world, _| {
            let tries = world.conditions.profile.webhook_tries();
            (tries, world.conditions.pace)
        });
        for attempt in 1..=tries {
            hook.attempt = attempt;
            // It goes with the process that has it.
            let lives = self.now(|world, now| {
                hook.at_ms = world.at_ms(now);
                let lives = world.back_at.is_none() && world.process == hook.process;
                if lives {
                    world.hooks.begin(&mut hook);
                }
                lives
            });
            if !lives || self.posted(&hook).await {
                return;
            }
            if attempt < tries {
                sleep(pace.scaled(POST_WAITS * f64::from(1 << (attempt - 1)))).await;
            }
        }
    }

    /// Whether one post was taken.
    async fn posted(&self, hook: &Hook) -> bool {
        let taker = self.taker().clone();
        let answer = match taker {
            Some(taker) => timeout(PATIENCE, taker(hook.clone())).await.unwrap_or(None),
            None => Some(200),
        };
        self.now(|world, _| world.hooks.end(hook.number, answer));
        answer.is_some_and(|status| (200..300).contains(&status))
    }
}

/// Makes every move of a simulator when it is due, for as long as there is one.
async fn drive(shared: Weak<Shared>) {
    while let Some(shared) = shared.upgrade() {
        let simulator = Simulator(shared);
        let mut revision = simulator.0.revision.subscribe();
        let next = simulator.now(|world, _| world.next_move());
        drop(simulator);
        tokio::select! {
            _ = revision.changed() => {}
            () = until(next) => {}
        }
    }
}

/// Waits for a time, or for ever.
async fn until(at: Option<Instant>) {
    match at {
        Some(at) => sleep_until(at).await,
        None => pending().await,
    }
}

impl fmt::Debug for Simulator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Simulator")
    }
}

/// Tells whoever watches that a number is another one.
fn publish(watched: &watch::Sender<u64>, number: u64) {
    watched.send_if_modified(|known| {
        let changed = *known != number;
        *known = number;
        changed
    });
}
