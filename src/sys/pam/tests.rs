//! The machine's own library, with a folder of configurations that the test brings (`pam_start_confdir`, Linux-PAM 1.4).

use std::ffi::{CString, c_char};
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use super::*;

type StartIn = unsafe extern "C" fn(
    *const c_char,
    *const c_char,
    *const Conversation,
    *const c_char,
    *mut Handle,
) -> c_int;

/// The function, where this machine's library has it.
fn start_in() -> Option<StartIn> {
    // SAFETY: the library is loaded already, or loads as it does for everybody.
    let library = unsafe { libc::dlopen(c"libpam.so.0".as_ptr(), libc::RTLD_NOW) };
    let found = (!library.is_null()).then(|| library::symbol(library, c"pam_start_confdir")).flatten()?;
    // SAFETY: that is its type in the library's header.
    Some(unsafe { std::mem::transmute::<*mut c_void, StartIn>(found) })
}

fn subject(password: &CStr) -> Subject<'_> {
    Subject { service: c"racoon", user: c"root", password, remote: c"192.0.2.1" }
}

/// What the modules of `stack` say to a password; `None` where the library takes no folder.
fn says(stack: &str, password: &CStr) -> Option<Result<(), PamError>> {
    let start = start_in()?;
    let folder = tempfile::tempdir().expect("a folder");
    fs::write(folder.path().join("racoon"), stack).expect("written");
    let path = CString::new(folder.path().as_os_str().as_bytes()).expect("a path");
    let subject = subject(password);
    let library = library::loaded().expect("it is loaded");
    Some(transact(library, subject, |conversation, handle| {
        let (service, user) = (subject.service.as_ptr(), subject.user.as_ptr());
        // SAFETY: all strings end with a zero octet; the rest is as `transact` says.
        unsafe { start(service, user, conversation, path.as_ptr(), handle) }
    }))
}

#[test]
fn the_modules_decide() {
    let permit = "auth required pam_permit.so\naccount required pam_permit.so\n";
    let Some(said) = says(permit, c"secret") else { return };
    assert_eq!(said, Ok(()));
    for refusing in [
        "auth required pam_deny.so\naccount required pam_permit.so\n",
        "auth required pam_permit.so\naccount required pam_deny.so\n",
        "auth required no_such_module.so\naccount required pam_permit.so\n",
    ] {
        let said = says(refusing, c"secret");
        assert!(
            matches!(&said, Some(Err(PamError::Refused(why))) if !why.is_empty()),
            "{refusing}: {said:?}"
        );
    }
}

/// A module asks for the password and gets what was typed, and sees where the user comes from.
#[test]
fn the_password_reaches_the_modules() {
    let folder = tempfile::tempdir().expect("a folder");
    let script = folder.path().join("check");
    let text = "#!/bin/sh\n[ \"$(tr -d '\\000')\" = secret ] && [ \"$PAM_RHOST\" = 192.0.2.1 ]\n";
    fs::write(&script, text).expect("written");
    fs::set_permissions(&script, fs::Permissions::from_mode(0o755)).expect("a mode");
    let stack = |script: &Path| {
        let path = script.display();
        format!("auth required pam_exec.so expose_authtok quiet {path}\naccount required pam_permit.so\n")
    };
    let Some(said) = says(&stack(&script), c"secret") else { return };
    assert_eq!(said, Ok(()));
    assert!(matches!(says(&stack(&script), c"Secret"), Some(Err(PamError::Refused(_)))));
}

#[test]
fn a_conversation_answers_what_it_is_asked() {
    let subject = subject(c"secret");
    let data = ptr::from_ref(&subject).cast_mut().cast();
    let ask = |styles: &[c_int], count: c_int| {
        let messages: Vec<Message> =
            styles.iter().map(|style| Message { style: *style, text: c"".as_ptr() }).collect();
        let mut pointers: Vec<*const Message> = messages.iter().map(ptr::from_ref).collect();
        let mut responses: *mut Response = ptr::null_mut();
        // SAFETY: as many pointers as `count` says where it is within the limits, and else none is looked at.
        let status = unsafe { talk(count, pointers.as_mut_ptr(), &raw mut responses, data) };
        if status != SUCCESS {
            assert!(responses.is_null());
            return None;
        }
        let mut answers = Vec::new();
        for at in 0..styles.len() {
            // SAFETY: there are as many responses as messages, each null or a string.
            let text = unsafe { (*responses.add(at)).text };
            // SAFETY: the same.
            answers.push((!text.is_null()).then(|| unsafe { CStr::from_ptr(text) }.to_owned()));
        }
        // SAFETY: what the conversation has given, and nothing else.
        unsafe { discard(responses, styles.len()) };
        Some(answers)
    };
    let (user, password) = (Some(CString::from(c"root")), Some(CString::from(c"secret")));
    assert_eq!(ask(&[1, 2, 3, 4], 4), Some(vec![password, user, None, None]));
    assert_eq!(ask(&[1, 9], 2), None);
    for count in [0, -1, 33, c_int::MAX] {
        assert_eq!(ask(&[], count), None);
    }
}
