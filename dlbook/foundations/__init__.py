"""What learning is: features, classical learners, risk, and losses."""
