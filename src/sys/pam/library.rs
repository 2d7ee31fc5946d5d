//! The library: its structures, its functions, and how they are found.

#![expect(unsafe_code, reason = "the library is loaded at run time")]

use std::ffi::{CStr, c_char, c_int, c_void};
use std::mem::transmute_copy;
use std::sync::OnceLock;

/// The library's names: of Linux-PAM, of FreeBSD's OpenPAM, and whatever is called so.
const NAMES: [&CStr; 3] = [c"libpam.so.0", c"libpam.so.6", c"libpam.so"];

/// `struct pam_message`.
#[repr(C)]
pub(super) struct Message {
    pub(super) style: c_int,
    pub(super) text: *const c_char,
}

/// `struct pam_response`.
#[repr(C)]
pub(super) struct Response {
    pub(super) text: *mut c_char,
    pub(super) code: c_int,
}

pub(super) type Talk =
    unsafe extern "C" fn(c_int, *mut *const Message, *mut *mut Response, *mut c_void) -> c_int;

/// `struct pam_conv`.
#[repr(C)]
pub(super) struct Conversation {
    pub(super) talk: Talk,
    pub(super) data: *mut c_void,
}

pub(super) type Handle = *mut c_void;
pub(super) type Start =
    unsafe extern "C" fn(*const c_char, *const c_char, *const Conversation, *mut Handle) -> c_int;
pub(super) type Step = unsafe extern "C" fn(Handle, c_int) -> c_int;

/// The functions that we need.
pub(super) struct Library {
    pub(super) start: Start,
    pub(super) end: Step,
    pub(super) authenticate: Step,
    pub(super) account: Step,
    pub(super) set_item: unsafe extern "C" fn(Handle, c_int, *const c_void) -> c_int,
    pub(super) text: unsafe extern "C" fn(Handle, c_int) -> *const c_char,
}

/// The library, loaded once and never let go: modules may have left threads and handlers behind.
pub(super) fn loaded() -> Result<&'static Library, String> {
    static LIBRARY: OnceLock<Result<Library, String>> = OnceLock::new();
    LIBRARY.get_or_init(load).as_ref().map_err(Clone::clone)
}

fn load() -> Result<Library, String> {
    // SAFETY: loading runs the initialisers of a library that belongs to the system.
    let mut opened = NAMES.iter().map(|name| unsafe { libc::dlopen(name.as_ptr(), libc::RTLD_NOW) });
    let Some(library) = opened.find(|library| !library.is_null()) else {
        return Err(format!("libpam cannot be loaded: {}", last_error()));
    };
    let find =
        |name| symbol(library, name).ok_or_else(|| format!("libpam has no {}", name.to_string_lossy()));
    // SAFETY: each symbol is a function, of the type that both libraries' headers give it.
    unsafe {
        Ok(Library {
            start: transmute_copy(&find(c"pam_start")?),
            end: transmute_copy(&find(c"pam_end")?),
            authenticate: transmute_copy(&find(c"pam_authenticate")?),
            account: transmute_copy(&find(c"pam_acct_mgmt")?),
            set_item: transmute_copy(&find(c"pam_set_item")?),
            text: transmute_copy(&find(c"pam_strerror")?),
        })
    }
}

/// A function of a library that is open and stays so, or of the program.
pub(super) fn symbol(library: *mut c_void, name: &CStr) -> Option<*mut c_void> {
    // SAFETY: the name ends with a zero octet, and the handle is of a library that is never closed.
    let found = unsafe { libc::dlsym(library, name.as_ptr()) };
    (!found.is_null()).then_some(found)
}

fn last_error() -> String {
    // SAFETY: the text belongs to the library and is copied before anything else is loaded by this thread.
    unsafe {
        let text = libc::dlerror();
        if text.is_null() { String::new() } else { CStr::from_ptr(text).to_string_lossy().into_owned() }
    }
}
