//! The terminal: a password is read from it without being shown.

use std::fs::{File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::fd::AsFd;

use nix::sys::termios::{LocalFlags, SetArg, Termios, tcgetattr, tcsetattr};
use zeroize::Zeroize as _;

/// The longest password.
const LONGEST: usize = 1024;

/// Asks on the terminal of this process, whatever its standard input is.
///
/// # Errors
/// There is no terminal, or it has ended.
pub fn read_password(prompt: &str) -> io::Result<String> {
    read_silently(&OpenOptions::new().read(true).write(true).open("/dev/tty")?, prompt)
}

/// Reads one line while nothing that is typed is shown.
fn read_silently(mut tty: &File, prompt: &str) -> io::Result<String> {
    let silence = Silence::new(tty)?;
    tty.write_all(prompt.as_bytes())?;
    let line = read_line(tty);
    drop(silence);
    // The end of the line was not shown either.
    tty.write_all(b"\n")?;
    line
}

fn read_line(mut tty: &File) -> io::Result<String> {
    // Room for all of it, so that nothing of it is left behind where a vector was before it grew.
    let mut line = Vec::with_capacity(LONGEST);
    let mut octet = [0];
    let result = loop {
        match tty.read(&mut octet) {
            Ok(0) if line.is_empty() => break Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(0) => break Ok(()),
            Ok(_) if octet == *b"\n" => break Ok(()),
            Ok(_) if line.len() == LONGEST => break Err(io::Error::other("the password is too long")),
            Ok(_) => line.push(octet[0]),
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) => break Err(e),
        }
    };
    octet.zeroize();
    if let Err(error) = result {
        line.zeroize();
        return Err(error);
    }
    String::from_utf8(line).map_err(|error| {
        error.into_bytes().zeroize();
        io::Error::new(io::ErrorKind::InvalidData, "the password is not UTF-8")
    })
}

/// A terminal that shows nothing, as long as this lives.
struct Silence<'a> {
    tty: &'a File,
    before: Termios,
}

impl<'a> Silence<'a> {
    fn new(tty: &'a File) -> io::Result<Self> {
        let before = tcgetattr(tty.as_fd())?;
        let mut silent = before.clone();
        silent.local_flags.remove(LocalFlags::ECHO | LocalFlags::ECHONL);
        // What was typed before the question is no answer.
        tcsetattr(tty.as_fd(), SetArg::TCSAFLUSH, &silent)?;
        Ok(Self { tty, before })
    }
}

impl Drop for Silence<'_> {
    fn drop(&mut self) {
        // A terminal that is gone shows nothing anyway.
        let _ = tcsetattr(self.tty.as_fd(), SetArg::TCSAFLUSH, &self.before);
    }
}

#[cfg(test)]
mod tests {
    use nix::pty::openpty;

    use super::*;

    #[test]
    fn a_password_is_read_and_not_shown() {
        let pty = openpty(None, None).unwrap();
        let (master, slave) = (File::from(pty.master), File::from(pty.slave));
        let mut keyboard = master.try_clone().unwrap();
        let asked = std::thread::spawn(move || {
            let password = read_silently(&slave, "Password: ");
            (password, slave)
        });
        // Whoever types waits for the question; what comes before it is thrown away.
        let mut screen = Vec::new();
        while !screen.ends_with(b"Password: ") {
            let mut octet = [0];
            (&master).read_exact(&mut octet).unwrap();
            screen.push(octet[0]);
        }
        keyboard.write_all(b"open sesame\n").unwrap();
        let (password, slave) = asked.join().unwrap();
        assert_eq!(password.unwrap(), "open sesame");
        let mut rest = [0; 2];
        (&master).read_exact(&mut rest).unwrap();
        assert_eq!(rest, *b"\r\n", "nothing but the end of the line");
        let after = tcgetattr(slave.as_fd()).unwrap();
        assert!(after.local_flags.contains(LocalFlags::ECHO), "the terminal is as before");
    }
}
