//! The TUN device and the raw sockets, joined to the driver's channels by one task for each direction.

use std::io;
use std::net::IpAddr;
use std::sync::Arc;

use tokio::sync::mpsc;
use tracing::{debug, warn};
use tun_rs::{AsyncDevice, DeviceBuilder};

use super::routes::TunConfig;
use super::{EspPacket, InProcess};
use crate::sys::raw::{EspSocket, Family};

/// The longest IP packet.
const MAX_PACKET: usize = 65_535;

/// Opens everything and starts the tasks. They end when the driver does.
pub(super) fn attach(config: &TunConfig, ends: InProcess) -> io::Result<()> {
    let InProcess { tun_in, tun_out, esp_in, esp_out } = ends;
    let device = Arc::new(DeviceBuilder::new().name(&config.name).mtu(config.mtu).build_async()?);
    let v4 = Arc::new(EspSocket::open(Family::V4)?);
    let v6 = match EspSocket::open(Family::V6) {
        Ok(socket) => Some(Arc::new(socket)),
        Err(error) => {
            warn!(%error, "no raw socket for ESP over IPv6");
            None
        }
    };
    tokio::spawn(read_device(device.clone(), tun_in));
    tokio::spawn(write_device(device, tun_out));
    tokio::spawn(read_wire(v4.clone(), esp_in.clone()));
    if let Some(socket) = v6.clone() {
        tokio::spawn(read_wire(socket, esp_in));
    }
    tokio::spawn(write_wire(v4, v6, esp_out));
    Ok(())
}

async fn read_device(device: Arc<AsyncDevice>, to: mpsc::Sender<Vec<u8>>) {
    let mut buffer = vec![0; MAX_PACKET];
    loop {
        let received = tokio::select! {
            received = device.recv(&mut buffer) => received,
            () = to.closed() => return,
        };
        match received {
            Ok(len) => {
                // When it is full the device's own queue fills, and the system drops.
                if to.send(buffer.get(..len).unwrap_or_default().to_vec()).await.is_err() {
                    return;
                }
            }
            Err(error) => return warn!(%error, "the TUN device is gone"),
        }
    }
}

async fn write_device(device: Arc<AsyncDevice>, mut from: mpsc::Receiver<Vec<u8>>) {
    while let Some(packet) = from.recv().await {
        if let Err(error) = device.send(&packet).await {
            debug!(%error, "the TUN device takes no packet");
        }
    }
}

async fn read_wire(socket: Arc<EspSocket>, to: mpsc::Sender<EspPacket>) {
    let mut buffer = vec![0; MAX_PACKET];
    loop {
        let received = tokio::select! {
            received = socket.recv(&mut buffer) => received,
            () = to.closed() => return,
        };
        match received {
            Ok(Some(packet)) => {
                let packet =
                    EspPacket { src: packet.src, dst: packet.dst, ecn: packet.ecn, bytes: packet.bytes };
                if to.send(packet).await.is_err() {
                    return;
                }
            }
            Ok(None) => debug!("a raw packet that is cut short"),
            Err(error) => return warn!(%error, "the raw socket is gone"),
        }
    }
}

async fn write_wire(v4: Arc<EspSocket>, v6: Option<Arc<EspSocket>>, mut from: mpsc::Receiver<EspPacket>) {
    while let Some(EspPacket { src, dst, bytes, .. }) = from.recv().await {
        let socket = match dst {
            IpAddr::V4(_) => Some(&v4),
            IpAddr::V6(_) => v6.as_ref(),
        };
        let sent = match socket {
            Some(socket) => socket.send(&bytes, src, dst).await,
            None => Err(io::Error::from(io::ErrorKind::Unsupported)),
        };
        if let Err(error) = sent {
            debug!(%error, %src, %dst, "esp not sent");
        }
    }
}
