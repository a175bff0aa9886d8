"""Hot to cold: plan, brake, move, verify, keep versions, scrub, prove, restore."""
