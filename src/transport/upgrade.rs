//! Requests that carry `Connection: Upgrade`: the application decides, this answers.

use super::{admission::Admission, handshake::Upgrading};
use actix_codec::Framed;
use actix_http::{
    HttpMessage, Request, Response,
    body::{BodySize, BoxBody, MessageBody},
    h1::{Codec, Message},
};
use actix_rt::net::TcpStream;
use actix_service::Service;
use actix_web::http::{ConnectionType, StatusCode};
use bytes::Bytes;
use futures_util::SinkExt;
use std::{future::poll_fn, io, pin::pin, time::Duration};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    time::timeout,
};

/// How long a client may take to read the answer to its handshake; only then is it let in.
pub const ANSWER_TIMEOUT: Duration = Duration::from_secs(10);

/// How long a refused client may take to end the connection.
const GOODBYE_TIMEOUT: Duration = Duration::from_secs(1);

/// A connection as the HTTP stack hands it over.
pub(super) type Connection = Framed<TcpStream, Codec>;

/// Asks the application, then either starts the WebSocket it admitted or writes its answer and ends.
pub(super) async fn answer<S, B>(app: &S, request: Request, connection: Connection)
where
    S: Service<Request>,
    S::Response: Into<Response<B>>,
    S::Error: Into<Response<BoxBody>>,
    B: MessageBody + 'static,
{
    request.extensions_mut().insert(Upgrading);
    let mut response = match ask(app, request).await {
        Ok(response) => response.into().map_into_boxed_body(),
        Err(error) => error.into(),
    };
    let admission = response.extensions_mut().remove::<Admission>();
    let told = match (admission, response.status()) {
        (Some(admission), StatusCode::SWITCHING_PROTOCOLS) => {
            timeout(ANSWER_TIMEOUT, admit(connection, response, admission)).await
        }
        (None, StatusCode::SWITCHING_PROTOCOLS) => {
            // A route that switches protocols without saying to what is a fault of ours, not the client's.
            tracing::error!("a route answered 101 without an admission");
            let fault = Response::internal_server_error();
            timeout(ANSWER_TIMEOUT, refuse(connection, fault)).await
        }
        _ => timeout(ANSWER_TIMEOUT, refuse(connection, response)).await,
    };
    if !matches!(told, Ok(Ok(()))) {
        tracing::debug!("a client left before its handshake was answered");
    }
}

async fn ask<S: Service<Request>>(app: &S, request: Request) -> Result<S::Response, S::Error> {
    poll_fn(|cx| app.poll_ready(cx)).await?;
    app.call(request).await
}

async fn admit(mut connection: Connection, response: Response<BoxBody>, admission: Admission) -> io::Result<()> {
    let head = Message::Item((response.drop_body(), BodySize::None));
    connection.send(head).await?;
    let parts = connection.into_parts();
    // Copied: the HTTP stack's buffer is far larger than what came early, if anything did.
    admission.start(parts.io, Bytes::copy_from_slice(&parts.read_buf));
    Ok(())
}

async fn refuse(mut connection: Connection, mut response: Response<BoxBody>) -> io::Result<()> {
    response.head_mut().set_connection_type(ConnectionType::Close);
    let (head, body) = response.into_parts();
    connection.send(Message::Item((head, body.size()))).await?;
    let mut body = pin!(body);
    while let Some(chunk) = poll_fn(|cx| body.as_mut().poll_next(cx)).await {
        let chunk = chunk.map_err(|error| io::Error::other(error.to_string()))?;
        connection.send(Message::Chunk(Some(chunk))).await?;
    }
    connection.send(Message::Chunk(None)).await?;
    let mut stream = connection.into_parts().io;
    stream.shutdown().await?;
    // Closing with unread input would reset the connection, and the answer could be lost with it.
    let mut rest = [0; 1024];
    let drained = async { while matches!(stream.read(&mut rest).await, Ok(1..)) {} };
    // A client that does not end in time has had its answer all the same.
    let _ = timeout(GOODBYE_TIMEOUT, drained).await;
    Ok(())
}
