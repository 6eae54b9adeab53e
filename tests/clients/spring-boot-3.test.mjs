// Spring Boot 3, with Spring Security 6.
import { testSpringBoot } from "./spring/spring_boot.mjs";

await testSpringBoot("spring-boot-3", ["from 6.5 on", "before 6.5"]);
