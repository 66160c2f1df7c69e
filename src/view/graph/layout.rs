//! Where the nodes of a graph stand and how its edges run: in layers from left to
//! right, each node behind all that it waits for.
//!
//! Four passes, each linear but for sorting: edges that would close a circle are
//! turned round and each node gets its layer (`layers`); nodes of a layer are put in
//! an order in which edges cross little (`order`); they get their heights, as near to
//! their neighbours as there is room (`heights`). An edge over several layers has a
//! place of its own in each between, as long as there are not too many of them.
//!
//! The same graph always gives the same picture. What nodes and edges mean is not
//! known here.

mod heights;
mod layers;
mod order;

/// The size of a node, and the room around it; all lengths are in pixels at 100 %.
pub const WIDTH: i32 = 184;
pub const HEIGHT: i32 = 44;
/// Between two layers: room for edges to cross.
const GAP: i32 = 56;
/// Between two nodes of a layer.
const ROW_GAP: i32 = 12;
/// What an edge takes in a layer that it only passes.
const LANE: i32 = 10;
/// Around the whole.
const MARGIN: i32 = 8;

/// At most so many places of edges in layers that they only pass, for each node and
/// edge there is.
const MOST_PASSING: usize = 4;

/// A picture of a graph.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Layout {
    /// By node.
    pub spots: Vec<Spot>,
    /// By edge.
    pub routes: Vec<Route>,
    pub width: i32,
    pub height: i32,
}

/// Where a node stands: its upper left corner.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Spot {
    pub layer: usize,
    pub x: i32,
    pub y: i32,
}

/// How an edge runs: curves between layers, straight across them, in turns.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Route {
    pub points: Vec<(i32, i32)>,
    /// It leads back, since it would close a circle.
    pub back: bool,
}

/// The picture of a graph of so many nodes. Edges are pairs of nodes, from the one
/// that is first; one from a node to itself has no route.
pub fn layout(nodes: usize, edges: &[(usize, usize)]) -> Layout {
    let back = layers::turned(nodes, edges);
    let forward: Vec<(usize, usize)> = edges
        .iter()
        .zip(&back)
        .map(|((from, to), back)| if *back { (*to, *from) } else { (*from, *to) })
        .collect();
    let layers = layers::longest_paths(nodes, &forward);
    let mut web = Web::new(&layers, &forward);
    order::untangle(&mut web);
    let heights = heights::of(&web);
    let x = |layer: usize| MARGIN + layer as i32 * (WIDTH + GAP);
    let spots: Vec<Spot> = (0..nodes)
        .map(|node| Spot {
            layer: layers[node],
            x: x(layers[node]),
            y: heights[node] - HEIGHT / 2,
        })
        .collect();
    let routes = forward.iter().zip(&web.passing).zip(&back);
    let routes =
        routes.map(|((edge, passing), back)| route(*edge, passing, *back, &heights, &web, x));
    let routes: Vec<Route> = routes.collect();
    let lowest = heights.iter().zip(&web.halves);
    let height = lowest.map(|(y, half)| y + half).max().unwrap_or(0);
    let last = layers.iter().max().copied().unwrap_or(0);
    Layout {
        spots,
        routes,
        width: x(last) + WIDTH + MARGIN,
        height: height + MARGIN,
    }
}

fn route(
    (from, to): (usize, usize),
    passing: &[usize],
    back: bool,
    heights: &[i32],
    web: &Web,
    x: impl Fn(usize) -> i32,
) -> Route {
    if from == to {
        return Route::default();
    }
    let mut points = vec![(x(web.layers[from]) + WIDTH, heights[from])];
    for item in passing {
        let left = x(web.layers[*item]);
        points.extend([(left, heights[*item]), (left + WIDTH, heights[*item])]);
    }
    points.push((x(web.layers[to]), heights[to]));
    if back {
        points.reverse();
    }
    Route { points, back }
}

/// What has a place in a layer: the nodes, and after them, edges that pass. Each is
/// an item, and links lead from one layer to the next.
struct Web {
    /// By item.
    layers: Vec<usize>,
    /// By item, half of its height.
    halves: Vec<i32>,
    /// By edge, its items in the layers that it passes.
    passing: Vec<Vec<usize>>,
    /// By item, its neighbours in the layer before, and in the one after.
    before: Vec<Vec<usize>>,
    after: Vec<Vec<usize>>,
    /// By layer, its items from top to bottom.
    rows: Vec<Vec<usize>>,
}

impl Web {
    fn new(layers: &[usize], edges: &[(usize, usize)]) -> Web {
        let span = |(from, to): (usize, usize)| layers[to].saturating_sub(layers[from]);
        let longest = longest_that_pass(layers.len(), edges.iter().map(|edge| span(*edge)));
        let mut web = Web {
            layers: layers.to_vec(),
            halves: vec![HEIGHT / 2; layers.len()],
            passing: vec![Vec::new(); edges.len()],
            before: vec![Vec::new(); layers.len()],
            after: vec![Vec::new(); layers.len()],
            rows: Vec::new(),
        };
        for (n, (from, to)) in edges.iter().enumerate() {
            if from == to || span((*from, *to)) > longest {
                continue;
            }
            let mut last = *from;
            for layer in layers[*from] + 1..layers[*to] {
                let item = web.layers.len();
                web.layers.push(layer);
                web.halves.push(LANE / 2);
                web.before.push(Vec::new());
                web.after.push(Vec::new());
                web.passing[n].push(item);
                web.link(last, item);
                last = item;
            }
            web.link(last, *to);
        }
        let deep = layers.iter().max().map_or(0, |last| last + 1);
        web.rows = vec![Vec::new(); deep];
        for (item, layer) in web.layers.iter().enumerate() {
            web.rows[*layer].push(item);
        }
        web
    }

    fn link(&mut self, from: usize, to: usize) {
        self.after[from].push(to);
        self.before[to].push(from);
    }
}

/// The longest span of an edge that still gets places in the layers between: longer
/// ones run straight, below and above whatever stands there.
fn longest_that_pass(nodes: usize, spans: impl Iterator<Item = usize>) -> usize {
    let mut spans: Vec<usize> = spans.collect();
    spans.sort_unstable();
    let mut room = (nodes + spans.len()) * MOST_PASSING;
    for span in &spans {
        let takes = span.saturating_sub(1);
        if takes > room {
            // All of one length are alike.
            return span - 1;
        }
        room -= takes;
    }
    usize::MAX
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Graphs with edges in any direction, circles and loops among them.
    fn any_graph() -> impl Strategy<Value = (usize, Vec<(usize, usize)>)> {
        (1usize..40).prop_flat_map(|nodes| {
            let edges = proptest::collection::vec((0..nodes, 0..nodes), 0..120);
            (Just(nodes), edges)
        })
    }

    fn overlap(one: Spot, other: Spot) -> bool {
        (one.x - other.x).abs() < WIDTH && (one.y - other.y).abs() < HEIGHT
    }

    proptest! {
        #[test]
        fn no_two_nodes_overlap_and_all_are_inside((nodes, edges) in any_graph()) {
            let picture = layout(nodes, &edges);
            prop_assert_eq!(picture.spots.len(), nodes);
            for (n, spot) in picture.spots.iter().enumerate() {
                prop_assert!(spot.x >= 0 && spot.x + WIDTH <= picture.width);
                prop_assert!(spot.y >= 0 && spot.y + HEIGHT <= picture.height);
                for other in &picture.spots[n + 1..] {
                    prop_assert!(!overlap(*spot, *other), "{:?} {:?}", spot, other);
                }
            }
        }

        #[test]
        fn edges_lead_to_higher_layers_and_touch_their_nodes((nodes, edges) in any_graph()) {
            let picture = layout(nodes, &edges);
            prop_assert_eq!(picture.routes.len(), edges.len());
            for ((from, to), route) in edges.iter().zip(&picture.routes) {
                if from == to {
                    prop_assert!(route.points.is_empty());
                    continue;
                }
                let (one, other) = (picture.spots[*from], picture.spots[*to]);
                prop_assert_eq!(one.layer < other.layer, !route.back);
                prop_assert_ne!(one.layer, other.layer);
                let side = |spot: Spot, left: bool| {
                    (spot.x + if left { 0 } else { WIDTH }, spot.y + HEIGHT / 2)
                };
                prop_assert_eq!(route.points.first(), Some(&side(one, route.back)));
                prop_assert_eq!(route.points.last(), Some(&side(other, !route.back)));
                prop_assert!(route.points.iter().all(|(_, y)| (0..=picture.height).contains(y)));
            }
        }

        #[test]
        fn without_circles_no_edge_leads_back((nodes, edges) in any_graph()) {
            let edges: Vec<_> = edges.into_iter().filter(|(from, to)| from < to).collect();
            let picture = layout(nodes, &edges);
            prop_assert!(picture.routes.iter().all(|route| !route.back));
        }

        #[test]
        fn the_same_graph_gives_the_same_picture((nodes, edges) in any_graph()) {
            prop_assert_eq!(layout(nodes, &edges), layout(nodes, &edges));
        }
    }

    #[test]
    fn a_chain_is_a_straight_line() {
        let picture = layout(3, &[(0, 1), (1, 2)]);
        let ys: Vec<i32> = picture.spots.iter().map(|spot| spot.y).collect();
        assert_eq!(ys, [MARGIN; 3]);
        assert_eq!(picture.routes[0].points.len(), 2);
    }

    #[test]
    fn two_that_would_cross_are_swapped() {
        // 0 → 3 and 1 → 2: one of the layers must turn.
        let picture = layout(4, &[(0, 3), (1, 2)]);
        let y = |node: usize| picture.spots[node].y;
        assert_eq!((y(0) < y(1)), (y(3) < y(2)));
    }

    #[test]
    fn long_edges_keep_clear_of_what_they_pass() {
        let picture = layout(4, &[(0, 1), (1, 2), (2, 3), (0, 3)]);
        let route = &picture.routes[3];
        assert_eq!(route.points.len(), 6);
        for (spot, at) in [(picture.spots[1], 1), (picture.spots[2], 3)] {
            let y = route.points[at].1;
            assert!(y < spot.y || y > spot.y + HEIGHT, "{y} {spot:?}");
        }
    }

    /// Every node waits for the first: places for all edges would be half a million.
    #[test]
    fn edges_that_pass_are_bounded() {
        let nodes = 1_000;
        let mut edges: Vec<_> = (1..nodes).map(|node| (node - 1, node)).collect();
        edges.extend((2..nodes).map(|node| (0, node)));
        let picture = layout(nodes, &edges);
        let points: usize = picture.routes.iter().map(|route| route.points.len()).sum();
        assert!(points < 30_000, "{points}");
    }

    #[test]
    fn nothing_is_a_small_picture() {
        let picture = layout(0, &[]);
        assert!(picture.spots.is_empty() && picture.width > 0 && picture.height > 0);
    }
}
