//! What an operator works on: the file of this machine, or DynamoDB with the keys that the operator has.
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, anyhow, bail};
use aws_config::Region;
use aws_config::default_provider::credentials::DefaultCredentialsChain;
use aws_config::environment::EnvironmentVariableRegionProvider;
use aws_config::meta::region::RegionProviderChain;
use aws_config::profile::ProfileFileRegionProvider;
use aws_config::provider_config::ProviderConfig;
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::config::{Credentials, ProvideCredentials};
use shared::runtime::settings::{Settings, Tables};
use shared::runtime::{Backends, dynamodb};

use super::command::Command;
use super::gateway::UsageError;
use crate::database::EmbeddedDynamoDb;
use crate::template::Template;

/// The most pages that are read of a list of tables. A page has a hundred tables, and an account at most some thousands.
const PAGES_MAX: usize = 100;

/// The backends that `command` works on; `data` is the database file of this machine.
///
/// # Errors
/// When they cannot be reached or found; the message tells the fix.
pub async fn backends(
    command: &Command,
    data: &Path,
    settings: Settings,
) -> anyhow::Result<Backends> {
    if let Command::Gateway(check) = command
        && check.url().is_some()
    {
        // Nothing is read of any database.
        return backends_of(settings_with_any_key(settings));
    }
    let stack = command.how().and_then(|how| how.stack.as_deref());
    let endpoint = settings.dynamodb_url.as_deref();
    if stack.is_none() && endpoint.is_none() {
        return on_this_machine(data, settings).await;
    }
    // A DynamoDB without TLS is none of AWS, and takes any key. One with TLS gets the operator's keys, whoever runs it.
    let checks_keys = endpoint.is_none_or(|url| url.starts_with("https://"));
    let mut backends = match settings.credentials {
        Some(_) => backends_of(settings)?,
        None if checks_keys => backends_with_operator_keys(settings).await?,
        None => backends_of(settings_with_any_key(settings))?,
    };
    if let Some(stack) = stack {
        let names = table_names(&backends.dynamodb).await?;
        let mut settings = Settings::clone(&backends.settings);
        settings.tables = tables_of(stack, &names)?;
        backends.settings = Arc::new(settings);
    }
    Ok(backends)
}

fn backends_of(settings: Settings) -> anyhow::Result<Backends> {
    Backends::from_settings(settings).map_err(|error| anyhow!(error))
}

fn settings_with_any_key(settings: Settings) -> Settings {
    let credentials = Credentials::new("local", "local", None, None, "local");
    Settings {
        credentials: Some(credentials),
        ..settings
    }
}

/// The backends over the database file. It may be open in `cargo run`: both write in transactions of their own, one after
/// the other. As `cargo run` does, this makes the tables that the file lacks, so that every command finds all of them.
async fn on_this_machine(data: &Path, settings: Settings) -> anyhow::Result<Backends> {
    if !data.is_file() {
        let none = format!(
            "there is no database at {}: give its file with --data, or make it with `cargo run`",
            data.display()
        );
        return Err(UsageError(none).into());
    }
    let mut backends = backends_of(settings_with_any_key(settings))?;
    backends.dynamodb = EmbeddedDynamoDb::file(data)?.client();
    Template::compiled_in()?
        .create_tables(&backends.dynamodb)
        .await
        .context(
            "cannot make the tables that the database lacks: if another program holds it for long, end that program, or try \
             again",
        )?;
    Ok(backends)
}

/// The backends with keys and region from where the tools of AWS find them. The client asks for new keys when they end.
async fn backends_with_operator_keys(settings: Settings) -> anyhow::Result<Backends> {
    let http_client = match settings.dynamodb_ca_pem.as_deref() {
        Some(ca_pem) => dynamodb::https_client_trusting(ca_pem)?,
        None => dynamodb::aws_https_client(),
    };
    let config = ProviderConfig::without_region().with_http_client(http_client);
    let profile = ProfileFileRegionProvider::builder()
        .configure(&config)
        .build();
    let region = RegionProviderChain::first_try(EnvironmentVariableRegionProvider::new())
        .or_else(profile)
        .region()
        .await
        .unwrap_or_else(|| Region::new(settings.region.clone()));
    let chain = DefaultCredentialsChain::builder()
        .configure(config)
        .region(region.clone())
        .build()
        .await;
    // Asked for now, so that their lack is told before anything is done.
    let first_keys = chain.provide_credentials().await.context(
        "no keys to AWS were found: set AWS_PROFILE, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY",
    )?;
    let mut backends = backends_of(Settings {
        credentials: Some(first_keys),
        region: region.to_string(),
        ..settings
    })?;
    // These keys do not change; those of the chain are renewed.
    let config = backends.dynamodb.config().to_builder();
    backends.dynamodb = Client::from_conf(config.credentials_provider(chain).build());
    Ok(backends)
}

/// The names of all tables of the account and region.
async fn table_names(client: &Client) -> anyhow::Result<Vec<String>> {
    let (mut names, mut last) = (Vec::new(), None);
    for _ in 0..PAGES_MAX {
        let page = client
            .list_tables()
            .set_exclusive_start_table_name(last.take())
            .send()
            .await
            .context("cannot list the tables of the stack")?;
        names.extend(page.table_names.unwrap_or_default());
        last = page.last_evaluated_table_name;
        if last.is_none() {
            return Ok(names);
        }
    }
    bail!(
        "there are more than {} tables here: name those of the stack by USERS_TABLE and so on, with \
         AWS_ENDPOINT_URL_DYNAMODB instead of --stack",
        names.len()
    )
}

/// The one of `names` that is the `table` of `stack`.
fn deployed(stack: &str, table: &str, names: &[String]) -> anyhow::Result<String> {
    let prefix = format!("{stack}-{table}-");
    let mut found = names.iter().filter(|name| {
        let random = name.strip_prefix(&prefix);
        random.is_some_and(|random| random.bytes().all(|byte| byte.is_ascii_alphanumeric()))
    });
    match (found.next(), found.next()) {
        (Some(name), None) => Ok(name.clone()),
        (None, _) => {
            let none = format!(
                "the stack {stack} has no {table} here: check its name, AWS_REGION and AWS_PROFILE"
            );
            Err(UsageError(none).into())
        }
        (Some(one), Some(other)) => bail!(
            "{one} and {other} could both be the {table} of {stack}: delete the one that is left over, or name \
             the tables by USERS_TABLE and so on, with AWS_ENDPOINT_URL_DYNAMODB instead of --stack"
        ),
    }
}

/// The tables of `stack` among `names`. CloudFormation names a table by stack, logical id and random letters.
fn tables_of(stack: &str, names: &[String]) -> anyhow::Result<Tables> {
    let mut tables = Tables::default();
    for table in tables.names_mut() {
        *table = deployed(stack, table, names)?;
    }
    Ok(tables)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tables_of_a_stack_are_found_by_their_names() {
        let mut names: Vec<String> = Tables::default()
            .names_mut()
            .into_iter()
            .flat_map(|table| {
                [
                    format!("prod-{table}-1ABC2"),
                    format!("prod-eu-{table}-1ABC2"),
                ]
            })
            .collect();
        names.push("prod-UsersTable-backup-2026".into());
        let tables = tables_of("prod", &names).unwrap();
        assert_eq!(tables.users, "prod-UsersTable-1ABC2");
        assert_eq!(tables.keys, "prod-KeysTable-1ABC2");
        assert!(tables_of("pro", &names).is_err());

        names.push("prod-UsersTable-3XYZ4".into());
        let error = tables_of("prod", &names).unwrap_err().to_string();
        assert!(error.contains("3XYZ4"), "{error}");
    }
}
