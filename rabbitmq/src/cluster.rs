//! Several nodes that are one broker.

use crate::{Node, NodeOptions, StartError};

/// A cluster of this program's own nodes: on one `epmd`, with one cookie.
///
/// # Drop behaviour
///
/// As [`Node`]'s.
#[derive(Debug)]
pub struct Cluster {
    nodes: Vec<Node>,
}

impl Cluster {
    /// Starts so many nodes, one after another, and joins them: some 8 s a node on two idle cores.
    ///
    /// # Errors
    ///
    /// As [`Node::start`]; [`StartError::Io`] if a node cannot join the first.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future kills what was started.
    pub async fn start(count: usize, options: &NodeOptions) -> Result<Cluster, StartError> {
        let mut nodes: Vec<Node> = Vec::with_capacity(count);
        for _ in 0..count {
            let node = Node::start(options.clone()).await?;
            if let Some(first) = nodes.first() {
                let failed = StartError::io("join a node to the cluster");
                join(&node, first).await.map_err(|error| failed(std::io::Error::other(error)))?;
            }
            nodes.push(node);
        }
        Ok(Cluster { nodes })
    }

    /// The nodes, in the order in which they joined.
    #[must_use]
    pub fn nodes(&self) -> &[Node] {
        &self.nodes
    }

    /// The addresses of all nodes, with commas between.
    #[must_use]
    pub fn urls(&self) -> String {
        self.nodes.iter().map(Node::url).collect::<Vec<_>>().join(",")
    }
}

async fn join(node: &Node, first: &Node) -> Result<(), crate::ControlError> {
    node.ctl(&["stop_app"]).await?;
    node.ctl(&["join_cluster", first.name()]).await?;
    node.ctl(&["start_app"]).await?;
    Ok(())
}
