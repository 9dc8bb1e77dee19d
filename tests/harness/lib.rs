//! What the tests share: the whole system under test, with one method per act.
