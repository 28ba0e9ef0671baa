//! Where connections come from: a TCP address and, where one is named, a Unix socket beside it.
//!
//! Who may connect to a socket is told by the permissions of its file, which are those that the umask leaves, and of its
//! folder. What is asked over it needs a key as everywhere.

use std::future::pending;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::Path;

use tokio::net::{TcpListener, TcpStream};

#[cfg(unix)]
use unix::Socket;

/// What is listened on.
pub struct Listener {
    tcp: TcpListener,
    #[cfg(unix)]
    socket: Option<Socket>,
}

/// A connection, not yet of the runtime that serves it.
pub enum Accepted {
    Tcp(std::net::TcpStream),
    #[cfg(unix)]
    Unix(std::os::unix::net::UnixStream),
}

impl Listener {
    /// # Errors
    /// An address that cannot be had.
    pub async fn bind(address: SocketAddr) -> io::Result<Self> {
        let tcp = TcpListener::bind(address).await?;
        Ok(Self {
            tcp,
            #[cfg(unix)]
            socket: None,
        })
    }

    /// Listens on a socket, too; its file goes when this does.
    ///
    /// # Errors
    /// Another file at the path, or a socket that somebody listens on. One that a crash left behind is replaced.
    #[cfg(unix)]
    pub async fn beside(self, path: &Path) -> io::Result<Self> {
        Ok(Self { socket: Some(Socket::bind(path).await?), ..self })
    }

    /// # Errors
    /// Always: there are none on this system.
    #[cfg(not(unix))]
    pub async fn beside(self, _: &Path) -> io::Result<Self> {
        Err(io::ErrorKind::Unsupported.into())
    }

    pub fn address(&self) -> io::Result<SocketAddr> {
        self.tcp.local_addr()
    }

    /// The next connection, and who is at the other end: over a socket, this machine.
    ///
    /// # Errors
    /// What the operating system says; the next one may be had.
    pub async fn accept(&self) -> io::Result<(Accepted, IpAddr)> {
        tokio::select! {
            accepted = self.tcp.accept() => {
                let (stream, peer) = accepted?;
                Ok((Accepted::Tcp(tuned(stream).into_std()?), peer.ip()))
            }
            accepted = self.accept_local() => Ok((accepted?, Ipv4Addr::LOCALHOST.into())),
        }
    }

    #[cfg(unix)]
    async fn accept_local(&self) -> io::Result<Accepted> {
        match &self.socket {
            Some(socket) => socket.accept().await.map(Accepted::Unix),
            None => pending().await,
        }
    }

    #[cfg(not(unix))]
    async fn accept_local(&self) -> io::Result<Accepted> {
        pending().await
    }
}

/// Answers are small and whole: waiting for more to send only costs time.
fn tuned(stream: TcpStream) -> TcpStream {
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "no TCP_NODELAY");
    }
    stream
}

#[cfg(unix)]
mod unix {
    use std::fs;
    use std::io::{self, ErrorKind};
    use std::os::unix::fs::{FileTypeExt, MetadataExt};
    use std::os::unix::net::UnixStream;
    use std::path::{Path, PathBuf};

    use tokio::net::UnixListener;

    /// A socket, and the file by which it is found.
    pub struct Socket {
        listener: UnixListener,
        path: PathBuf,
        /// Device and number of the file.
        file: (u64, u64),
    }

    impl Socket {
        pub async fn bind(path: &Path) -> io::Result<Self> {
            make_room(path).await?;
            let listener = UnixListener::bind(path)?;
            Ok(Self { listener, path: path.to_owned(), file: file(path)? })
        }

        pub async fn accept(&self) -> io::Result<UnixStream> {
            let (stream, _) = self.listener.accept().await?;
            stream.into_std()
        }
    }

    impl Drop for Socket {
        fn drop(&mut self) {
            // Somebody else's by now is left alone.
            if file(&self.path).is_ok_and(|file| file == self.file)
                && let Err(error) = fs::remove_file(&self.path)
            {
                tracing::warn!(path = %self.path.display(), %error, "the socket's file is left behind");
            }
        }
    }

    fn file(path: &Path) -> io::Result<(u64, u64)> {
        fs::symlink_metadata(path).map(|data| (data.dev(), data.ino()))
    }

    /// Removes a socket that nobody listens on any more.
    async fn make_room(path: &Path) -> io::Result<()> {
        match fs::symlink_metadata(path) {
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
            Err(error) => Err(error),
            Ok(data) if !data.file_type().is_socket() => {
                Err(io::Error::new(ErrorKind::AlreadyExists, "there is a file that is no socket"))
            }
            Ok(_) => match tokio::net::UnixStream::connect(path).await {
                Ok(_) => Err(io::Error::new(ErrorKind::AddrInUse, "another process listens there")),
                Err(error) if error.kind() == ErrorKind::ConnectionRefused => fs::remove_file(path),
                Err(error) => Err(error),
            },
        }
    }
}
