//! Who asks, and until when an answer is of use.
use crate::address::ClientAddress;
use crate::timestamp::Timestamp;

/// Who asks, and until when an answer is of use.
#[derive(Clone, Debug)]
pub struct Caller {
    /// Where the request came from, as API Gateway saw it; never a header that anyone can write.
    pub address: ClientAddress,
    /// Lambda's id of the request.
    pub request_id: String,
    /// When the work must be done; the time to record the result and to answer is already taken off.
    pub deadline: Timestamp,
}
