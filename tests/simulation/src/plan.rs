//! What happens in a schedule: drawn from its seed before it begins.

use std::time::Duration;

use local::simulator::{
    LostAnswer, Profile, Scenario, SessionOptions, Simulator, SimulatorOptions,
};
use shared::gateway::SessionToken;
use shared::platform::clock::Clock;
use shared::runtime::settings::{SessionSettings, Settings};

use crate::accounts::Who;
use crate::bridges::{self, Post};
use crate::chats::Text;
use crate::dice::Dice;
use crate::hooks::API;
use crate::shop::Event;
use crate::universe::{Odds, Purpose};

/// The most steps of a long schedule.
const STEPS_MAX: u64 = 24;
/// The most steps of a short one.
const STEPS_OF_SHORT: u64 = 8;
/// One schedule in so many is long.
const LONG_IN: f64 = 0.1;
/// In one schedule in so many the accounts may write to nobody new.
const LOCKED_IN: f64 = 0.08;
/// In one schedule in so many the system's own schedules run each minute, and what they see is checked.
const WATCHED_IN: f64 = 0.15;
/// So much of what goes wrong where the system's own schedules run is for a person to end.
const FOR_PEOPLE_IN: f64 = 0.2;
/// One schedule in so many has passwords.
const PASSWORDS_IN: f64 = 0.05;

/// A schedule.
#[derive(Clone, Debug)]
pub struct Plan {
    /// What there is.
    pub world: World,
    /// How often things go wrong.
    pub odds: Odds,
    /// What is done, in order.
    pub steps: Vec<Step>,
}

/// What there is.
#[derive(Clone, Debug)]
pub struct World {
    /// The version that the gateways speak like.
    pub profile: Profile,
    /// How many sessions each gateway has.
    pub sessions: Vec<u8>,
    /// How many people there are. All but the last have an account.
    pub people: u32,
    /// How long a send takes.
    pub send: Duration,
    /// How long a connect takes.
    pub online_after: Duration,
    /// How much faster than real the gateway's own long times are.
    pub time_scale: f64,
    /// Whether gateways may be restarted.
    pub restarts: bool,
    /// Whether sessions post their webhooks.
    pub webhooks: bool,
    /// How many of the steps are about payments.
    pub trade: f64,
    /// Whether people sign up and use passwords: each of these takes as long as a whole schedule without.
    pub passwords: bool,
    /// How many payments there are.
    pub payments: u32,
    /// How many of the events of payments come from payment gateways.
    pub posts: f64,
    /// Whether those may say whom to tell.
    pub tells_phone: bool,
    /// Whether the accounts may write to nobody new from the beginning.
    pub is_locked: bool,
    /// Whether the system's own schedules run each minute.
    pub is_watched: bool,
    /// What happens to all sessions at the end of such a schedule, before all is well for good.
    pub outage_at_the_end: Scenario,
    /// Whether it has many steps. Most schedules are short, with fewer people and payments, so that as much happens to each of them.
    pub is_long: bool,
}

/// One step.
#[derive(Clone, Debug)]
pub struct Step {
    /// Its number, from 1.
    pub number: u32,
    /// When it is done.
    pub at: Duration,
    /// What it is.
    pub act: Act,
}

/// What a guess is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Guess {
    /// The newest code on the phone.
    Newest,
    /// Any code that was on the phone.
    Any,
    /// A code that is wrong.
    Wrong,
}

/// What is done.
#[derive(Clone, Debug)]
pub enum Act {
    /// Somebody asks for a code.
    AskCode {
        /// Who.
        person: u32,
        /// Whether to reset a password; otherwise to sign in.
        reset: bool,
        /// From which address.
        address: u8,
    },
    /// Somebody asks for the code of the last request again.
    AskAgain {
        /// Who.
        person: u32,
        /// From which address.
        address: u8,
    },
    /// Somebody types a code, so many times at once.
    Guess {
        /// Who.
        person: u32,
        /// What.
        guess: Guess,
        /// How often.
        times: u32,
    },
    /// Somebody refreshes the newest token, so many times at once.
    Refresh {
        /// Who.
        person: u32,
        /// How often.
        times: u32,
    },
    /// Somebody signs up with the phone of the last person, who has no account.
    SignUp(Who),
    /// Somebody confirms that.
    Confirm(Who),
    /// Somebody signs in with a password, as the last person.
    SignIn(Who),
    /// Somebody sets a new password with a code.
    SetPassword {
        /// Who.
        person: u32,
    },
    /// Something begins to go wrong with a gateway, or with one session of it.
    Break {
        /// Which gateway.
        gateway: usize,
        /// Which session; all without one.
        session: Option<u8>,
        /// What.
        scenario: Scenario,
    },
    /// Everything of WhatsApp's works again.
    Heal,
    /// The shop tells what happened to a payment.
    Tell {
        /// Which.
        payment: u32,
        /// What.
        event: Event,
        /// Whether it waits for the first attempt.
        waits: bool,
        /// What it tells of the same payment so much later, whatever became of the first.
        also: Option<(Event, Duration)>,
    },
    /// A payment gateway posts what happened to a payment.
    Post {
        /// Which payment.
        payment: u32,
        /// What it posts.
        post: Post,
        /// What it posts of the same payment so much later.
        also: Option<(Post, Duration)>,
        /// Whether it posts the first twice at once.
        twice: bool,
    },
    /// Somebody writes to a session.
    Write {
        /// Who.
        person: u32,
        /// What.
        text: Text,
    },
    /// The schedule delivers notices.
    Deliver,
    /// The schedule looks at sessions.
    Watch,
}

impl Plan {
    /// The schedule of a seed.
    pub fn of(seed: u64) -> Self {
        let mut dice = Dice::of(seed, &[Purpose::Plan as u64]);
        let world = World::draw(&mut dice);
        let odds = odds(&mut dice);
        let steps = steps(&mut dice, &world);
        Self { world, odds, steps }
    }
}

fn odds(dice: &mut Dice) -> Odds {
    let level = |dice: &mut Dice, levels: [f64; 4]| *dice.one_of(&levels);
    Odds {
        table: level(dice, [0.0, 0.01, 0.04, 0.12]),
        gateway: level(dice, [0.0, 0.02, 0.08, 0.2]),
        kill: level(dice, [0.0, 0.0, 0.05, 0.2]),
        freeze: level(dice, [0.0, 0.0, 0.03, 0.1]),
        webhook: level(dice, [0.0, 0.0, 0.1, 0.3]),
    }
}

impl World {
    fn draw(dice: &mut Dice) -> Self {
        let is_locked = dice.chance(LOCKED_IN);
        // The accounts of two gateways have the same numbers.
        let gateways = if dice.chance(0.2) && !is_locked { 2 } else { 1 };
        let is_long = dice.chance(LONG_IN);
        Self {
            is_long,
            passwords: dice.chance(PASSWORDS_IN),
            payments: if is_long { 3 } else { 1 },
            profile: *dice.one_of(&[Profile::A, Profile::B, Profile::B, Profile::C, Profile::D]),
            sessions: (0..gateways).map(|_| *dice.one_of(&[1, 1, 2, 3])).collect(),
            people: if is_long { 3 } else { 2 },
            send: dice.millis(50..=900),
            online_after: dice.millis(200..=4_000),
            time_scale: *dice.one_of(&[1.0, 0.3, 0.1]),
            restarts: dice.chance(0.3),
            webhooks: dice.chance(0.5) || is_locked,
            posts: *dice.one_of(&[0.0, 0.0, 0.4, 0.8]),
            tells_phone: dice.chance(0.5),
            is_locked,
            is_watched: dice.chance(WATCHED_IN),
            trade: *dice.one_of(&[0.0, 0.0, 0.3, 0.7]),
            outage_at_the_end: for_people(dice),
        }
    }

    /// The gateways, with everything in order.
    pub fn gateways(&self, clock: &Clock) -> Vec<Simulator> {
        let mut gateways: Vec<Simulator> = Vec::new();
        for (number, sessions) in (1..).zip(&self.sessions) {
            let names = (1..=*sessions).map(|session| session_name(number, session));
            let sessions =
                names.map(|name| SessionOptions::new(&name, &format!("{name}-session-token")));
            let options = SimulatorOptions {
                name: format!("gateway-{number}"),
                profile: self.profile,
                sessions: sessions.collect(),
                send_duration: self.send,
                online_after: self.online_after,
                restart_after: Duration::from_secs(5),
                clock: clock.clone(),
                time_scale: self.time_scale,
                ..SimulatorOptions::default()
            };
            let gateway = match gateways.first() {
                None => Simulator::new(options),
                Some(first) => first.beside(options),
            };
            gateways.push(gateway);
        }
        gateways
    }

    /// The settings of a deployment in this world.
    pub fn settings(&self, gateways: &[Simulator]) -> Settings {
        let mut sessions = Vec::new();
        for gateway in gateways {
            for session in &gateway.options().sessions {
                let mut known =
                    SessionSettings::new(&session.name, SessionToken::new(&session.token));
                known.gateway = (gateway.options().name != "gateway-1").then(|| gateway.address());
                sessions.push(known);
            }
        }
        let hook = || shared::gateway::RestartUrl::new("http://gateway-1.test/restart");
        Settings {
            sessions,
            restart_url: self.restarts.then(hook),
            public_base_url: self.webhooks.then(|| API.to_owned()),
            bridges: bridges::settings(self.tells_phone),
            stack_name: Some("simulation".into()),
            ..Settings::default()
        }
    }
}

/// The name of a session of a gateway, both counted from 1. The first of all is the configured one.
pub fn session_name(gateway: u8, session: u8) -> String {
    match (gateway, session) {
        (1, 1) => "system".into(),
        (gateway, session) => format!("g{gateway}s{session}"),
    }
}

fn steps(dice: &mut Dice, world: &World) -> Vec<Step> {
    let mut at = Duration::ZERO;
    let count = if world.is_long {
        STEPS_OF_SHORT + dice.below(STEPS_MAX - STEPS_OF_SHORT + 1)
    } else {
        3 + dice.below(STEPS_OF_SHORT - 2)
    };
    let mut steps = Vec::new();
    for number in 1..=count {
        at += match dice.below(10) {
            // At once, so that they read the same and write after each other.
            0..=2 => dice.millis(0..=12),
            3..=4 => dice.millis(0..=400),
            5..=6 => dice.millis(500..=20_000),
            7..=8 => dice.millis(15_000..=90_000),
            _ => dice.millis(60_000..=300_000),
        };
        steps.push(Step {
            number: number as u32,
            at,
            act: act(dice, world),
        });
    }
    steps
}

fn act(dice: &mut Dice, world: &World) -> Act {
    let person = dice.below(world.people.into()) as u32;
    let address = dice.below(2) as u8;
    if dice.chance(world.trade) {
        return trade(dice, world);
    }
    if world.is_locked && dice.chance(0.35) {
        return Act::Write {
            person,
            text: *dice.one_of(&[
                Text::Asked,
                Text::Asked,
                Text::Asked,
                Text::OfOthers,
                Text::Made,
            ]),
        };
    }
    if world.passwords && dice.chance(0.7) {
        return account(dice, person);
    }
    match dice.below(100) {
        0..=3 => Act::Refresh {
            person,
            times: *dice.one_of(&[1, 1, 2]),
        },
        4..=34 => Act::AskCode {
            person,
            reset: dice.chance(0.15),
            address,
        },
        35..=40 => Act::AskAgain { person, address },
        41..=66 => Act::Guess {
            person,
            guess: *dice.one_of(&[
                Guess::Newest,
                Guess::Newest,
                Guess::Any,
                Guess::Wrong,
                Guess::Wrong,
            ]),
            times: *dice.one_of(&[1, 1, 1, 2, 3, 8]),
        },
        67..=86 => {
            let gateway = dice.below(world.sessions.len() as u64) as usize;
            let sessions = world.sessions[gateway];
            let session = dice
                .chance(0.6)
                .then(|| 1 + dice.below(sessions.into()) as u8);
            Act::Break {
                gateway,
                session,
                scenario: if world.is_watched && dice.chance(FOR_PEOPLE_IN) {
                    for_people(dice)
                } else {
                    scenario(dice)
                },
            }
        }
        87..=91 => Act::Heal,
        92..=95 => Act::Deliver,
        _ => Act::Watch,
    }
}

/// Something that is done with an account.
fn account(dice: &mut Dice, person: u32) -> Act {
    let who = *dice.one_of(&[Who::Owner, Who::Owner, Who::Stranger]);
    match dice.below(10) {
        0..=3 => Act::SignUp(who),
        4..=6 => Act::Confirm(who),
        7 => Act::SignIn(who),
        8 => Act::SetPassword { person },
        _ => Act::AskCode {
            person,
            reset: true,
            address: 0,
        },
    }
}

/// What happens to a payment, or to the queue of notices.
fn trade(dice: &mut Dice, world: &World) -> Act {
    if dice.chance(world.posts) {
        return Act::Post {
            payment: dice.below(world.payments.into()) as u32,
            post: Post::draw(dice, world.tells_phone),
            also: dice
                .chance(0.4)
                .then(|| (Post::draw(dice, world.tells_phone), dice.millis(0..=2_000))),
            twice: dice.chance(0.3),
        };
    }
    let event = match dice.below(20) {
        0..=7 => return Act::Deliver,
        8..=11 => Event::Created(*dice.one_of(&[None, Some(7), Some(12), Some(20)])),
        12..=15 => Event::Success,
        16 => Event::Warning,
        _ => Event::Status(dice.one_of::<&str>(&["cancelled", "expired", "failed", "refunded"])),
    };
    Act::Tell {
        payment: dice.below(world.payments.into()) as u32,
        event,
        waits: dice.chance(0.5),
        also: dice.chance(0.4).then(|| {
            let other = *dice.one_of(&[
                Event::Success,
                Event::Status("cancelled"),
                Event::Created(None),
            ]);
            (other, dice.millis(0..=30))
        }),
    }
}

/// What only a person can end.
fn for_people(dice: &mut Dice) -> Scenario {
    dice.one_of(&[
        Scenario::Unlinked,
        Scenario::Unpaired,
        Scenario::Replaced,
        Scenario::QrNotScanned,
        Scenario::Banned,
        Scenario::Outdated,
    ])
    .clone()
}

/// Something that goes wrong with WhatsApp or its gateway.
fn scenario(dice: &mut Dice) -> Scenario {
    let lasts_ms = *dice.one_of(&[300, 2_000, 7_000, 25_000, 90_000]);
    let logged_in = dice.chance(0.5);
    let delivered = dice.chance(0.5);
    let some = |dice: &mut Dice| 1 + dice.below(3) as u32;
    let rate = *dice.one_of(&[0.3, 1.0]);
    match dice.below(32) {
        0..=3 => Scenario::ColdSession,
        4 => Scenario::NetworkBlip { lasts_ms },
        5 => Scenario::Drop,
        6 => Scenario::WhatsappUnreachable {
            lasts_ms: Some(lasts_ms),
        },
        7 => Scenario::WhatsappBlackHole {
            lasts_ms: Some(lasts_ms),
        },
        8 => Scenario::ReconnectFight,
        9 => Scenario::StuckObject { logged_in },
        10 => Scenario::DeadObject { logged_in },
        11 => Scenario::HalfOpen {
            sends: dice.chance(0.7).then(|| some(dice)),
            delivered,
        },
        12 => Scenario::HalfOpenGivenUp,
        13 => Scenario::DeadQueue { delivered },
        14 => Scenario::SocketBreaks { sends: some(dice) },
        15 => Scenario::StoreBusy { rate },
        16..=17 => Scenario::AckLost {
            sends: some(dice),
            delivered,
            lasts_ms,
        },
        18..=19 => Scenario::AnswerLost {
            sends: some(dice),
            how: *dice.one_of(&[LostAnswer::Closed, LostAnswer::Proxy504]),
            after_ms: dice.below(9_000),
        },
        20 => Scenario::SendQueue {
            each_ms: *dice.one_of(&[1_000, 4_000, 11_000]),
        },
        21 => for_people(dice),
        22 => Scenario::Restricted {
            code: *dice.one_of(&[463, 479, 403]),
            refusals: dice.chance(0.7).then(|| some(dice)),
        },
        23 => Scenario::ColdLocked {
            code: 463,
            refusals: dice.chance(0.7).then(|| some(dice)),
        },
        24 => Scenario::CrashOnConnect { down_ms: lasts_ms },
        25 => Scenario::Zombie,
        26 => Scenario::GatewayDown { lasts_ms },
        27 => Scenario::SilentLoss { rate },
        28 => Scenario::ReceiptsLost { rate },
        29 => Scenario::ReceiptsDelayed { by_ms: lasts_ms },
        30 => dice
            .one_of(&[Scenario::ReceiptsDoubled, Scenario::ReceiptsReordered])
            .clone(),
        _ => Scenario::HostDown { lasts_ms },
    }
}
