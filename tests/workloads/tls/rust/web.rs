// SPDX-License-Identifier: Apache-2.0

// Serves and asks over rustls. "web serve ADDRESS CERT KEY": HTTP/1.1, one JSON object a request on standard output.
// "web get N PARALLEL TIMES URL [SLICES]": N requests on each of the TIMES connections that each of PARALLEL threads makes, one after the other; with
// SLICES each request goes out by one write_vectored of so many, as hyper does it.
use std::io::{BufRead, BufReader, IoSlice, Read, Result, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::{env, fs, thread};

use rustls::client::{ServerCertVerified, ServerCertVerifier};
use rustls::{Certificate, ClientConfig, ClientConnection, PrivateKey, ServerConfig, ServerConnection, ServerName, StreamOwned};

/// The certificate is the test's own.
struct Anybody;

impl ServerCertVerifier for Anybody {
    fn verify_server_cert(
        &self,
        _: &Certificate,
        _: &[Certificate],
        _: &ServerName,
        _: &mut dyn Iterator<Item = &[u8]>,
        _: &[u8],
        _: std::time::SystemTime,
    ) -> std::result::Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }
}

/// The first line of a message; its body is read and left. None: the other end is done.
fn message<S: Read>(from: &mut BufReader<S>) -> Result<Option<String>> {
    let (mut first, mut line, mut length) = (String::new(), String::new(), 0);
    if from.read_line(&mut first)? == 0 {
        return Ok(None);
    }
    loop {
        line.clear();
        from.read_line(&mut line)?;
        let lower = line.to_ascii_lowercase();
        if let Some(n) = lower.strip_prefix("content-length:") {
            length = n.trim().parse().unwrap();
        }
        if lower.trim().is_empty() {
            break;
        }
    }
    from.read_exact(&mut vec![0; length])?;
    Ok(Some(first))
}

fn answer(socket: TcpStream, config: Arc<ServerConfig>) -> Result<()> {
    let client = socket.peer_addr()?;
    let mut stream = BufReader::new(StreamOwned::new(ServerConnection::new(config).unwrap(), socket));
    while let Some(first) = message(&mut stream)? {
        let words: Vec<&str> = first.split(' ').collect();
        let (method, path) = (words[0], words[1]);
        let status = if path.ends_with("/missing") { "404 Not Found" } else { "200 OK" };
        println!("{{\"client\":\"{}\",\"method\":\"{}\",\"path\":\"{}\",\"status\":{}}}", client, method, path, &status[..3]);
        write!(stream.get_mut(), "HTTP/1.1 {}\r\nContent-Length: 6\r\n\r\nhello\n", status)?;
    }
    Ok(())
}

fn serve(address: &str, cert: &str, key: &str) -> Result<()> {
    let chain = rustls_pemfile::certs(&mut BufReader::new(fs::File::open(cert)?))?.into_iter().map(Certificate).collect();
    let key = PrivateKey(rustls_pemfile::pkcs8_private_keys(&mut BufReader::new(fs::File::open(key)?))?.remove(0));
    let config = Arc::new(ServerConfig::builder().with_safe_defaults().with_no_client_auth().with_single_cert(chain, key).unwrap());
    for socket in TcpListener::bind(address)?.incoming() {
        let (socket, config) = (socket?, config.clone());
        thread::spawn(move || answer(socket, config));
    }
    Ok(())
}

fn send(to: &mut StreamOwned<ClientConnection, TcpStream>, host: &str, path: &str, slices: usize) -> Result<()> {
    if slices == 0 {
        return write!(to, "GET {} HTTP/1.1\r\nHost: {}\r\n\r\n", path, host);
    }
    to.flush()?; // as those do who write so: the handshake's end goes by itself
    let text = format!("POST {} HTTP/1.1\r\nHost: {}\r\nContent-Length: 4\r\n\r\nbody", path, host).into_bytes();
    let parts: Vec<IoSlice> = text.chunks((text.len() + slices - 1) / slices).map(IoSlice::new).collect();
    assert_eq!(to.conn.writer().write_vectored(&parts)?, text.len()); // the stream's own takes the first slice alone
    to.flush()
}

fn get(n: usize, host: &str, path: &str, slices: usize, config: Arc<ClientConfig>) -> Result<()> {
    let tls = ClientConnection::new(config, ServerName::try_from("localhost").unwrap()).unwrap();
    let mut stream = BufReader::new(StreamOwned::new(tls, TcpStream::connect(host)?));
    for _ in 0..n {
        send(stream.get_mut(), host, path, slices)?;
        let first = message(&mut stream)?.expect("an answer");
        assert!(first.starts_with("HTTP/1.1 200"), "{}", first);
    }
    stream.get_mut().conn.send_close_notify();
    stream.get_mut().flush()
}

fn main() -> Result<()> {
    let args: Vec<String> = env::args().collect();
    if args[1] == "serve" {
        return serve(&args[2], &args[3], &args[4]);
    }
    let n = args[2].parse().unwrap();
    let times: usize = args[4].parse().unwrap();
    let slices = args.get(6).map_or(0, |s| s.parse().unwrap());
    let (host, path) = args[5].strip_prefix("https://").unwrap().split_once('/').unwrap();
    let path = format!("/{}", path);
    let config = Arc::new(ClientConfig::builder().with_safe_defaults().with_custom_certificate_verifier(Arc::new(Anybody)).with_no_client_auth());
    thread::scope(|all| {
        let threads: Vec<_> = (0..args[3].parse().unwrap()).map(|_| all.spawn(|| (0..times).try_for_each(|_| get(n, host, &path, slices, config.clone())))).collect();
        threads.into_iter().try_for_each(|t| t.join().unwrap())
    })
}
