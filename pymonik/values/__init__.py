"""What all stages share: contents, options, outcomes, outputs, seeds."""
