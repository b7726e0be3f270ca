"""HTTP/1.1 as machinery: reading, limits, deadlines, accepting; knows no address of ours."""
