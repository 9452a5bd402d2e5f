//! A process that serves, and is killed.

use std::{path::Path, sync::Arc, time::Duration};

use warren_host::replies::{RepliesOptions, SqliteReplies};
use warren_rpc::{Client, ClientOptions, MethodOptions, ServeOptions, Service, Status};

use crate::{method::HaveEffect, store};

/// Between two tries to begin, while the broker is away.
const PAUSE: Duration = Duration::from_millis(200);

/// Serves until standard input ends.
pub(crate) async fn serve(url: &str, file: &Path) -> anyhow::Result<()> {
    let pool = store::open(file).await?;
    let replies = Arc::new(SqliteReplies::open(pool, RepliesOptions::default()).await?);
    let service = Service::new("storm", "1.0.0", Arc::new(())).once::<HaveEffect, _, _, _>(
        MethodOptions { prefetch: Some(8) },
        replies,
        |_, context, mut transaction, number| async move {
            // A little time in which to be killed, before the effect and after it.
            tokio::time::sleep(Duration::from_millis(number % 5)).await;
            let stored = store::have_effect(&mut transaction, context.call_id()).await;
            stored.map_err(|error| Status::unavailable(error.to_string()))?;
            Ok((number, transaction))
        },
    );
    let served = async {
        loop {
            let Ok(client) = Client::connect(url, ClientOptions::default()).await else {
                tokio::time::sleep(PAUSE).await;
                continue;
            };
            match service.serve(&client, ServeOptions::default()).await {
                // What it loses it makes again.
                Ok(mut running) => running.ended().await,
                Err(error) => error,
            };
            tokio::time::sleep(PAUSE).await;
        }
    };
    tokio::select! {
        () = served => {}
        () = crate::input_ends() => {}
    }
    Ok(())
}
