//! Pluggable authentication modules. The library is loaded when somebody asks for it, so that nothing is linked to it and
//! a system without it (OpenBSD) runs the same program.

#![expect(unsafe_code, reason = "PAM is a library of C")]

mod library;
#[cfg(test)]
mod tests;

use std::ffi::{CStr, c_int, c_void};
use std::fmt;
use std::ptr;
use std::sync::{Mutex, PoisonError};

use self::library::{Conversation, Handle, Library, Message, Response};

const SUCCESS: c_int = 0;
/// PAM_CONV_ERR.
#[cfg(target_os = "linux")]
const CONVERSATION_ERROR: c_int = 19;
#[cfg(not(target_os = "linux"))]
const CONVERSATION_ERROR: c_int = 6;
/// Styles of messages, the same in both libraries.
const PROMPT_ECHO_OFF: c_int = 1;
const PROMPT_ECHO_ON: c_int = 2;
const ERROR_MESSAGE: c_int = 3;
const TEXT_INFO: c_int = 4;
/// Items of a transaction, the same in both libraries.
const REMOTE_HOST: c_int = 4;
const REMOTE_USER: c_int = 8;
/// PAM_DISALLOW_NULL_AUTHTOK: an account without a password is nobody's.
const NO_EMPTY_PASSWORD: c_int = 1;
/// Messages that a module may send at a time (PAM_MAX_NUM_MSG).
const MAX_MESSAGES: c_int = 32;

/// Whom the modules are asked about.
#[derive(Clone, Copy)]
pub struct Subject<'a> {
    /// The service, which names their configuration.
    pub service: &'a CStr,
    /// The user.
    pub user: &'a CStr,
    /// What it has typed.
    pub password: &'a CStr,
    /// Where it calls from.
    pub remote: &'a CStr,
}

impl fmt::Debug for Subject<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Subject").field("user", &self.user).finish_non_exhaustive()
    }
}

/// Why a user does not get in.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum PamError {
    /// The library cannot be loaded, or does not work.
    Library(String),
    /// The modules refuse, in the library's words.
    Refused(String),
}

/// Asks the modules whether the password is right, and whether the account may be used.
///
/// One user at a time: modules are written for programs of one thread.
///
/// # Errors
/// It is not, or nobody could be asked.
pub fn authenticate(subject: Subject<'_>) -> Result<(), PamError> {
    static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
    let library = library::loaded().map_err(PamError::Library)?;
    let _turn = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    transact(library, subject, |conversation, handle| {
        // SAFETY: the strings end with a zero octet; `transact` says what the others are.
        unsafe { (library.start)(subject.service.as_ptr(), subject.user.as_ptr(), conversation, handle) }
    })
}

/// A whole transaction. `start` begins it: it is given a conversation that outlives the transaction and room for a handle.
fn transact(
    library: &Library,
    subject: Subject<'_>,
    start: impl FnOnce(*const Conversation, *mut Handle) -> c_int,
) -> Result<(), PamError> {
    let conversation = Conversation { talk, data: ptr::from_ref(&subject).cast_mut().cast() };
    let mut handle: Handle = ptr::null_mut();
    let started = start(&raw const conversation, &raw mut handle);
    if started != SUCCESS || handle.is_null() {
        return Err(PamError::Library(format!("pam_start fails with {started}")));
    }
    let transaction = Transaction { library, handle };
    let (remote, user) = (subject.remote.as_ptr().cast(), subject.user.as_ptr().cast());
    // SAFETY: the handle is of a transaction that goes on, and the library copies the strings.
    transaction.must(unsafe { (library.set_item)(handle, REMOTE_HOST, remote) })?;
    // SAFETY: the same.
    transaction.must(unsafe { (library.set_item)(handle, REMOTE_USER, user) })?;
    // SAFETY: the handle is of a transaction that goes on.
    transaction.must(unsafe { (library.authenticate)(handle, NO_EMPTY_PASSWORD) })?;
    // SAFETY: the same.
    transaction.must(unsafe { (library.account)(handle, NO_EMPTY_PASSWORD) })
}

/// A transaction, which ends with this value.
struct Transaction<'a> {
    library: &'a Library,
    handle: Handle,
}

impl Transaction<'_> {
    fn must(&self, status: c_int) -> Result<(), PamError> {
        if status == SUCCESS {
            return Ok(());
        }
        // SAFETY: the handle is of a transaction that goes on; the text is static or lives as long as the handle.
        let text = unsafe {
            let text = (self.library.text)(self.handle, status);
            if text.is_null() { c"unknown error" } else { CStr::from_ptr(text) }
        };
        Err(PamError::Refused(text.to_string_lossy().into_owned()))
    }
}

impl Drop for Transaction<'_> {
    fn drop(&mut self) {
        // SAFETY: the handle came from pam_start and is used no more.
        unsafe { (self.library.end)(self.handle, SUCCESS) };
    }
}

/// Answers the modules: with the password where nothing is shown, with the name where it is.
unsafe extern "C" fn talk(
    count: c_int,
    messages: *mut *const Message,
    responses: *mut *mut Response,
    data: *mut c_void,
) -> c_int {
    let Some(len) = usize::try_from(count).ok().filter(|_| (1..=MAX_MESSAGES).contains(&count)) else {
        return CONVERSATION_ERROR;
    };
    // SAFETY: the library passes the pointer that it was given, to a subject that outlives the transaction.
    let subject = unsafe { &*data.cast::<Subject<'_>>() };
    // SAFETY: the modules free with free(3) what they get, so it has to come from calloc(3); all zeros is a response.
    let answers = unsafe { libc::calloc(len, size_of::<Response>()) }.cast::<Response>();
    if answers.is_null() {
        return CONVERSATION_ERROR;
    }
    for at in 0..len {
        // SAFETY: there are `count` pointers to messages.
        let style = unsafe { (**messages.add(at)).style };
        let text = match style {
            PROMPT_ECHO_OFF => subject.password,
            PROMPT_ECHO_ON => subject.user,
            ERROR_MESSAGE | TEXT_INFO => continue,
            _ => {
                // SAFETY: the array has `len` responses, made of zeros or of what strdup(3) gave.
                unsafe { discard(answers, len) };
                return CONVERSATION_ERROR;
            }
        };
        // SAFETY: the array has `len` responses; the text ends with a zero octet.
        unsafe { (*answers.add(at)).text = libc::strdup(text.as_ptr()) };
    }
    // SAFETY: the library gives room for one pointer, and takes the array over.
    unsafe { *responses = answers };
    SUCCESS
}

/// Frees what is not handed over.
///
/// # Safety
/// `answers` must have `len` responses, whose texts are null or from malloc(3), and itself be from malloc(3).
unsafe fn discard(answers: *mut Response, len: usize) {
    for at in 0..len {
        // SAFETY: as the caller promises; freeing null does nothing.
        unsafe { libc::free((*answers.add(at)).text.cast()) };
    }
    // SAFETY: as the caller promises.
    unsafe { libc::free(answers.cast()) };
}
