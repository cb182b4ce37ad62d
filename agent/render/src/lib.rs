//! Where users' text templates become manifests (spec 2). Nothing is rendered from text yet: structured pod templates are
//! merged in `breakglass-agent-core`, and the hub refuses templates as text when it loads them, saying so. The crate
//! stands here so that its place in the house, and its purity, are kept from the first day.
