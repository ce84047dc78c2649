"""What notebooks use to inspect the method: a contrast on a circle, one patch to corrupt, comparisons on patients."""
