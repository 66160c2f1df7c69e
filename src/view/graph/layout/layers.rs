//! Which layer a node belongs to: behind all that lead to it, as near to the first
//! layer as that allows.

/// By edge, whether it is to be turned round, so that no circle is left. None is where
/// there was none.
///
/// Those are turned that lead back to where a walk in depth came from; without
/// recursion, since a chain may be ten thousand nodes long.
pub fn turned(nodes: usize, edges: &[(usize, usize)]) -> Vec<bool> {
    #[derive(Clone, Copy, PartialEq)]
    enum Seen {
        Not,
        OnTheWay,
        Done,
    }
    let out = leaving(nodes, edges);
    let mut turned = vec![false; edges.len()];
    let mut seen = vec![Seen::Not; nodes];
    for start in 0..nodes {
        if seen[start] != Seen::Not {
            continue;
        }
        seen[start] = Seen::OnTheWay;
        let mut way = vec![(start, 0)];
        while let Some((node, next)) = way.last_mut() {
            let Some(edge) = out[*node].get(*next) else {
                seen[*node] = Seen::Done;
                way.pop();
                continue;
            };
            *next += 1;
            let to = edges[*edge].1;
            match seen[to] {
                Seen::OnTheWay => turned[*edge] = true,
                Seen::Not => {
                    seen[to] = Seen::OnTheWay;
                    way.push((to, 0));
                }
                Seen::Done => {}
            }
        }
    }
    turned
}

/// By node, its layer. Loops aside, there must be no circle.
pub fn longest_paths(nodes: usize, edges: &[(usize, usize)]) -> Vec<usize> {
    let out = leaving(nodes, edges);
    let mut unmet = vec![0; nodes];
    for (from, to) in edges {
        unmet[*to] += usize::from(from != to);
    }
    let mut layers = vec![0; nodes];
    let mut order: Vec<usize> = (0..nodes).filter(|node| unmet[*node] == 0).collect();
    let mut done = 0;
    while let Some(node) = order.get(done).copied() {
        done += 1;
        for to in out[node].iter().map(|edge| edges[*edge].1) {
            if to == node {
                continue;
            }
            layers[to] = layers[to].max(layers[node] + 1);
            unmet[to] -= 1;
            if unmet[to] == 0 {
                order.push(to);
            }
        }
    }
    layers
}

/// By node, the edges that leave it.
fn leaving(nodes: usize, edges: &[(usize, usize)]) -> Vec<Vec<usize>> {
    let mut out = vec![Vec::new(); nodes];
    for (edge, (from, _)) in edges.iter().enumerate() {
        out[*from].push(edge);
    }
    out
}
