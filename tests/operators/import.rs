//! Importing users of another system.
use tests::TestSystem;

use super::act::*;

const SITI: &str = r#"{"phone":"08123456789","name":"Siti","email":"Siti@example.com","passwordHash":"$2y$05$abcdefghijklmnopqrstuuWG29KuyeAicPCJODk1zjyGvyQUU2awu","verifiedAt":"2024-05-01T15:30:00+07:00","id":"42"}"#;
const BUDI: &str =
    r#"{"phone":"+62 812-9876-543","name":"Budi","verifiedAt":"2024-05-01T08:30:00Z"}"#;

async fn import(system: &TestSystem, lines: &str) -> Result<String, String> {
    let file = TempFile::new("import.jsonl", lines);
    operate(system, &["users", "import", file.path()]).await
}

#[tokio::test(start_paused = true)]
async fn imported_users_sign_in_and_importing_again_changes_nothing() {
    for faults in databases() {
        let system = TestSystem::builder().faults(faults).build().await;
        let lines = format!("\u{FEFF}{SITI}\r\n\n{BUDI}");
        let said = import(&system, &lines).await.unwrap();
        assert_eq!(
            said,
            "3 lines: 2 imported, 0 there already, 0 never verified, 0 with problems\n"
        );
        let siti = user_of(&system, PHONE).await.unwrap();
        assert_eq!((siti.id.as_str(), siti.name.as_str()), ("42", "Siti"));
        assert_eq!(siti.email.unwrap().as_str(), "siti@example.com");
        assert_eq!(siti.created_at.rfc3339(), "2024-05-01T08:30:00Z");
        assert!(user_of(&system, OTHER).await.unwrap().password.is_none());
        assert_eq!(sign_in(&system, PHONE, "password").await.status, 200);

        let before = rows(&system, "UsersTable").await;
        let said = import(&system, &lines).await.unwrap();
        assert!(said.contains("0 imported, 2 there already"), "{said}");
        assert_eq!(
            rows(&system, "UsersTable").await,
            before,
            "not even the new hash"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn bad_lines_are_named_and_the_others_imported() {
    let line = |fields: &str| {
        format!(r#"{{"phone":"0812222{fields},"verifiedAt":"2024-05-01T08:30:00Z"}}"#)
    };
    let rows_and_problems = [
        (SITI.to_owned(), None),
        ("{".into(), Some("EOF while parsing an object, at column 1")),
        (line(r#"2221","nama":"Budi""#), Some("unknown field `nama`")),
        (line(r#"2221""#), Some("missing field `name`")),
        (
            line(r#"","name":"Budi""#),
            Some("phone: The phone number is too short"),
        ),
        (line(r#"2221","name":" ""#), Some("name: Tell your name")),
        (
            line(r#"2221","name":"Budi","email":"budi""#),
            Some("email: Give an e-mail address"),
        ),
        (
            line(r#"2221","name":"Budi","passwordHash":"5f4dcc3b5aa765d61d8327deb882cf99""#),
            Some("passwordHash: The hash is of a kind that cannot be checked"),
        ),
        (
            line(r#"2221","name":"Budi","id":"a b""#),
            Some("id: use 1 to 64 letters"),
        ),
        (
            r#"{"phone":"08122222221","name":"Budi","verifiedAt":"yesterday"}"#.into(),
            Some("verifiedAt: write the time as"),
        ),
        (SITI.replace("42", "43"), Some("line 1 has the same phone")),
        (
            line(r#"2222","name":"Budi","id":"42""#),
            Some("another user has this id"),
        ),
        (
            line(&format!(r#"2223","name":"{}""#, "x".repeat(17_000))),
            Some("longer than 16384 bytes"),
        ),
        (
            line(r#"2224","name":"Budi","email":"siti@example.com""#),
            Some("imported without its e-mail address"),
        ),
        (r#"{"phone":"08122222225","name":"Budi"}"#.into(), None),
        (BUDI.to_owned(), None),
    ];
    let lines: Vec<_> = rows_and_problems
        .iter()
        .map(|(line, _)| line.as_str())
        .collect();
    let system = TestSystem::start().await;
    // Lines are worked on side by side: whose address is taken must not depend on it here.
    import(&system, SITI).await.unwrap();
    let said = import(&system, &lines.join("\n")).await.unwrap_err();
    for (number, (_, problem)) in rows_and_problems.iter().enumerate() {
        let number = number + 1;
        let named = said
            .lines()
            .find(|line| line.starts_with(&format!("line {number}: ")));
        match problem {
            Some(problem) => assert!(
                named.is_some_and(|line| line.contains(problem)),
                "{number}: {named:?}"
            ),
            None => assert_eq!(named, None),
        }
    }
    assert!(
        said.contains("16 lines: 2 imported, 1 there already, 1 never verified, 12 with problems"),
        "{said}"
    );
    assert!(
        said.ends_with("12 of 16 lines could not be imported"),
        "{said}"
    );
    assert!(!said.contains("5f4dcc3b"), "a hash is not shown");
    assert!(user_of(&system, OTHER).await.is_some());
    let without_email = user_of(&system, "08122222224").await.unwrap();
    assert!(without_email.email.is_none());
    for absent in ["08122222221", "08122222222", "08122222223", "08122222225"] {
        assert!(user_of(&system, absent).await.is_none());
    }
}

#[tokio::test(start_paused = true)]
async fn many_lines_are_imported_side_by_side_and_progress_is_told() {
    let system = TestSystem::start().await;
    let line = |number: usize| {
        format!(
            r#"{{"phone":"0813{number:08}","name":"Siti","verifiedAt":"2024-05-01T08:30:00Z"}}"#
        )
    };
    let lines: Vec<_> = (0..2_500).map(line).collect();
    let said = import(&system, &lines.join("\n")).await.unwrap();
    let progress: Vec<_> = said
        .lines()
        .filter_map(|line| line.split_once(" lines"))
        .collect();
    let after: Vec<_> = progress.iter().map(|(after, _)| *after).collect();
    assert_eq!(after, ["1000", "2000", "2500"]);
    assert!(said.contains("2500 lines: 2500 imported"), "{said}");
}

#[tokio::test(start_paused = true)]
async fn an_import_that_stops_says_where_and_goes_on_when_repeated() {
    use local::database::{Fault, Faults};
    let good = TestSystem::start().await;
    let broken = good.with_faults(Faults::none().from(3, Fault::RequestLost));
    let said = import(&broken, &format!("{SITI}\n{BUDI}\n"))
        .await
        .unwrap_err();
    assert!(
        said.contains("stopped at line 2. What was imported stays; import again to go on"),
        "{said}"
    );
    let said = import(&good, &format!("{SITI}\n{BUDI}\n")).await.unwrap();
    assert!(said.contains(" 0 with problems"), "{said}");
    assert_eq!(
        rows(&good, "UsersTable").await.len(),
        5,
        "two users and three pointers"
    );
}

#[tokio::test(start_paused = true)]
async fn a_dry_run_reads_everything_and_writes_nothing() {
    let system = TestSystem::start().await;
    let file = TempFile::new("dry.jsonl", format!("{SITI}\n{BUDI}\n{{}}\n"));
    let said = operate(&system, &["users", "import", "--dry-run", file.path()]).await;
    let said = said.unwrap_err();
    assert!(
        said.contains("2 imported") && said.contains("Nothing was changed"),
        "{said}"
    );
    assert!(said.contains("line 3: missing field `phone`"), "{said}");
    assert!(rows(&system, "UsersTable").await.is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_phone_is_imported_as_the_number_that_it_is() {
    let system = TestSystem::start().await;
    let line = |phone: &str| {
        format!(r#"{{"phone":"{phone}","name":"Budi","verifiedAt":"2024-05-01T08:30:00Z"}}"#)
    };
    let lines = [
        "+62 62812 9876 543",
        "+52 1 55 1234 5678",
        "+52 55 1234 5678",
        "+60 12",
    ];
    let lines = lines.map(line).join("\n");
    let said = import(&system, &lines).await.unwrap_err();
    assert!(said.contains("line 3: line 2 has the same phone"), "{said}");
    assert!(
        said.contains("line 4: phone: The phone number is too short"),
        "{said}"
    );
    for phone in [OTHER, "+525512345678"] {
        assert!(user_of(&system, phone).await.is_some(), "{phone}");
    }
}
