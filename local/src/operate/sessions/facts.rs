//! What an operator says of a session, as it is typed and as it changes the list.
use std::path::PathBuf;

use anyhow::{bail, ensure};
use clap::{Args, ValueEnum};
use shared::gateway::{GatewayAddress, RestartUrl, SessionToken};
use shared::model::weight::Weight;
use shared::store::session_list::ListedSession;

use super::super::secret_file;

/// What is known of a session beside its token. What is not given stays as it is.
#[derive(Args, Clone, Debug)]
pub struct Facts {
    /// Whether messages are sent from it
    #[arg(long = "use", value_name = "USE")]
    used_for: Option<Use>,
    /// After so many people that it wrote to for the first time on a day it serves no more sign-ups; `none` for no limit
    #[arg(long, value_name = "NUMBER", value_parser = chats, allow_negative_numbers = true)]
    new_chats_per_day: Option<Chats>,
    /// Its share of new recipients, 1 to 100: a session with 20 gets twice as many as one with 10, which is the usual weight
    #[arg(long, value_name = "NUMBER", value_parser = weight, allow_negative_numbers = true)]
    weight: Option<Weight>,
    /// The URL of its gateway; `none` for that of WHATSAPP_SERVER_API. Another gateway has another restart hook
    #[arg(long, value_name = "URL", value_parser = gateway)]
    gateway: Option<Place>,
    /// A file that holds an address and nothing else, which restarts that gateway when it is posted to; `none` for no such
    /// address. All sessions of the gateway share it
    #[arg(long, value_name = "FILE")]
    restart_hook: Option<PathBuf>,
    /// Take http:// to another machine, too. Whoever can listen on the way reads the token and the codes
    #[arg(long)]
    plain_http: bool,
}

/// What a session is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Use {
    /// Messages are sent from it.
    Send,
    /// It is known, and no message is sent from it.
    Off,
}

/// A limit of new chats, or none.
#[derive(Clone, Copy, Debug)]
struct Chats(Option<u32>);

/// A gateway of its own, or none.
#[derive(Clone, Debug)]
struct Place(Option<GatewayAddress>);

/// What is changed about one session of the list.
pub(super) struct Change<'a> {
    facts: &'a Facts,
    token: Option<SessionToken>,
    /// The hook that was given, or that there shall be none.
    hook: Option<Option<RestartUrl>>,
}

impl Facts {
    /// Whether they say where the session is.
    pub(super) const fn name_a_gateway(&self) -> bool {
        self.gateway.is_some()
    }

    /// The change that they are, together with a new token. Reads what stands in files.
    pub(super) fn change(&self, token: Option<SessionToken>) -> anyhow::Result<Change<'_>> {
        let hook = self.hook()?;
        if let Some(Place(Some(gateway))) = &self.gateway {
            ensure!(
                self.plain_http || !gateway.is_plain_to_others(),
                "{} is another machine, and http:// lets whoever listens on the way read the token and the codes: give \
                 https://, or say --plain-http if the way is inside of a private network",
                gateway.host()
            );
        }
        Ok(Change {
            facts: self,
            token,
            hook,
        })
    }

    fn hook(&self) -> anyhow::Result<Option<Option<RestartUrl>>> {
        let file = match &self.restart_hook {
            None => return Ok(None),
            Some(none) if none.as_os_str() == "none" => return Ok(Some(None)),
            Some(file) => file,
        };
        let text = secret_file::read(file, "the URL of the restart hook")?;
        let Some(hook) = RestartUrl::parse(&text) else {
            bail!(
                "{}: put a URL like https://deploy.example/hook there",
                file.display()
            );
        };
        ensure!(
            self.plain_http || !hook.is_plain_to_others(),
            "the restart hook is http:// to another machine, so whoever listens on the way can restart the gateway: give \
             https://, or say --plain-http if the way is inside of a private network"
        );
        Ok(Some(Some(hook)))
    }
}

impl Change<'_> {
    /// Makes the change to the session called `name`, if it is there.
    pub(super) fn apply(&self, sessions: &mut [ListedSession], name: &str) -> anyhow::Result<()> {
        let mut found = sessions.iter_mut();
        let Some(listed) = found.find(|listed| listed.session.name == name) else {
            return Ok(());
        };
        if let Some(used_for) = self.facts.used_for {
            listed.sends = used_for == Use::Send;
        }
        if let Some(Chats(most)) = self.facts.new_chats_per_day {
            listed.session.new_chats_per_day = most;
        }
        if let Some(weight) = self.facts.weight {
            listed.session.weight = weight;
        }
        if let Some(token) = &self.token {
            listed.session.token = token.clone();
        }
        if let Some(Place(gateway)) = &self.facts.gateway
            && listed.session.gateway != *gateway
        {
            listed.session.gateway.clone_from(gateway);
            listed.session.restart_url = None;
        }
        let gateway = listed.session.gateway.clone();
        self.share_hook(sessions, gateway.as_ref())
    }

    /// Gives all sessions on `gateway` one restart hook: the one that was given, or that of the others there.
    fn share_hook(
        &self,
        sessions: &mut [ListedSession],
        gateway: Option<&GatewayAddress>,
    ) -> anyhow::Result<()> {
        ensure!(
            gateway.is_some() || !matches!(self.hook, Some(Some(_))),
            "the gateway of WHATSAPP_SERVER_API is restarted by GATEWAY_RESTART_URL: a hook of its own has a session with \
             --gateway"
        );
        let there = |listed: &ListedSession| listed.session.gateway.as_ref() == gateway;
        let mut known = sessions.iter().filter(|listed| there(listed));
        let known = known.find_map(|listed| listed.session.restart_url.clone());
        let hook = match &self.hook {
            Some(given) => given.clone(),
            None => known,
        };
        for listed in sessions.iter_mut().filter(|listed| there(listed)) {
            listed.session.restart_url.clone_from(&hook);
        }
        Ok(())
    }
}

fn chats(text: &str) -> Result<Chats, String> {
    if text == "none" {
        return Ok(Chats(None));
    }
    let most: Result<u32, _> = text.parse();
    let most = most.map_err(|_| "give a whole number, or `none`")?;
    Ok(Chats(Some(most)))
}

fn weight(text: &str) -> Result<Weight, String> {
    let weight = Weight::parse(text);
    weight.ok_or_else(|| {
        format!(
            "give a whole number from {} to {}",
            Weight::LEAST,
            Weight::MOST
        )
    })
}

fn gateway(text: &str) -> Result<Place, String> {
    if text == "none" {
        return Ok(Place(None));
    }
    let address = GatewayAddress::parse(text);
    let address = address.ok_or("give a URL like https://gateway.example, or `none`")?;
    Ok(Place(Some(address)))
}
