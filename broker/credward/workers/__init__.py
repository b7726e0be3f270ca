"""The processes that may dial: started on demand, one mint at a time, killed at their deadline."""
