#include "cli/program.h"

int main(int argc, char** argv) { return mop::run_program(argc, argv); }
